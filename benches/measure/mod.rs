//! What both benchmarks share: CPU time by the kernel's account, the yardstick (one raw OpenSSL
//! RSA-2048 signature), and the login both measure.

use openssl::md::Md;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    cpu_in("/proc/thread-self/schedstat")
}

pub(crate) fn cpu_in(path: &str) -> Duration {
    let text = fs::read_to_string(path).expect("a kernel with schedstat");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("schedstat begins with nanoseconds on a CPU"))
}

/// CPU time of one call, over `count` calls.
pub(crate) fn cpu_each(count: u32, mut work: impl FnMut()) -> Duration {
    let before = thread_cpu();
    for _ in 0..count {
        work();
    }
    thread_cpu().saturating_sub(before) / count
}

/// The median of what several rounds measured.
pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

/// A fresh RSA-2048 key.
pub(crate) fn rsa_key() -> PKey<Private> {
    let rsa = Rsa::generate(2048).expect("OpenSSL makes keys");
    PKey::from_rsa(rsa).expect("an RSA key is a key")
}

/// One raw signature of a digest, as `openssl speed rsa2048` counts them.
pub(crate) fn raw_signature(key: &PKey<Private>) {
    let sign = || {
        let mut context = PkeyCtx::new(key)?;
        context.sign_init()?;
        context.set_signature_md(Md::sha256())?;
        let mut signature = [0; 256];
        context.sign(&[7; 32], Some(&mut signature))
    };
    sign().expect("OpenSSL signs");
}

/// What `openssl speed` says of one signature, when the program is there.
pub(crate) fn openssl_speed() -> Option<Duration> {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "2", "-mr", "rsa2048"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // `+F2:INDEX:BITS:SECONDS PER SIGNATURE:SECONDS PER VERIFICATION`, or signatures per second in
    // newer versions.
    let line = text.lines().find(|line| line.starts_with("+F2:"))?;
    let figure: f64 = line.split(':').nth(3)?.parse().ok()?;
    let seconds = if figure < 1.0 { figure } else { 1.0 / figure };
    Some(Duration::from_secs_f64(seconds))
}

/// A ratio for people.
pub(crate) fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}
