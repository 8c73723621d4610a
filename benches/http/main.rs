//! SSO responses over HTTP with a live session: the served program's CPU for each, beside one raw
//! RSA-2048 signature, in one run.
//!
//! A home made by `init` is served on loopback; one user logs in; then the same browser asks again
//! and again with fresh requests. The load comes from this process, whose CPU does not count. The
//! goal is at most 2 times one raw signature, then 1.6.

mod browser;
mod instance;
#[path = "../measure/mod.rs"]
mod measure;

use browser::Browser;
use instance::Instance;
use measure::{cpu_each, median, ratio};
use std::time::Duration;

const ROUNDS: usize = 7;
const RESPONSES: u32 = 1000;
const SIGNATURES: u32 = 400;

fn main() {
    let instance = Instance::start();
    let mut browser = Browser::new(&instance);
    browser.log_in();

    let key = measure::rsa_key();
    let one = rounds(&instance, &[browser.clone()], &key);
    let both = rounds(&instance, &vec![browser; 8], &key);
    let raw = median(one.raw);
    println!("one raw signature:          {raw:>9.1?} CPU");
    for (name, load) in [
        ("one connection", &one.load),
        ("eight connections", &both.load),
    ] {
        let cpu = median(load.iter().map(|load| load.cpu).collect());
        let wall = median(load.iter().map(|load| load.wall).collect());
        println!(
            "{name:<18} server:  {cpu:>9.1?} CPU a response  {:>6.0} responses/s  ratio {:.3}  (goal 2, then 1.6)",
            1.0 / wall.as_secs_f64(),
            ratio(cpu, raw)
        );
    }
    if let Some(speed) = measure::openssl_speed() {
        println!("`openssl speed`:            {speed:>9.1?}");
    }
    let cpu = |load: &[Load]| median(load.iter().map(|load| load.cpu).collect());
    // On two cores the load takes its share of them: what counts is that a response costs no more
    // there than alone.
    let scaling = 2.0 * ratio(cpu(&one.load), cpu(&both.load));
    println!("two cores by CPU a response: {scaling:>8.3}  times one core (goal 1.9)");
}

/// What several rounds measured.
struct Rounds {
    raw: Vec<Duration>,
    load: Vec<Load>,
}

/// One round's cost of a response.
struct Load {
    cpu: Duration,
    wall: Duration,
}

fn rounds(
    instance: &Instance,
    browsers: &[Browser],
    key: &openssl::pkey::PKey<openssl::pkey::Private>,
) -> Rounds {
    let mut rounds = Rounds {
        raw: Vec::new(),
        load: Vec::new(),
    };
    for _ in 0..ROUNDS {
        rounds
            .raw
            .push(cpu_each(SIGNATURES, || measure::raw_signature(key)));
        rounds.load.push(load(instance, browsers));
    }
    rounds
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures elapsed time"
)]
fn load(instance: &Instance, browsers: &[Browser]) -> Load {
    let each = RESPONSES / u32::try_from(browsers.len()).expect("few browsers");
    let total = RESPONSES / each * each;
    let (cpu, begin) = (instance.cpu(), std::time::Instant::now());
    std::thread::scope(|scope| {
        for browser in browsers {
            let mut browser = browser.clone();
            scope.spawn(move || (0..each).for_each(|_| browser.respond()));
        }
    });
    Load {
        cpu: instance.cpu().saturating_sub(cpu) / total,
        wall: begin.elapsed() / total,
    }
}
