//! Everything a scenario needs: the built binary on loopback, Duo's simulator, real service
//! providers, and a browser that keeps cookies.

pub(crate) mod apache;
pub(crate) mod artifact;
pub(crate) mod authority;
pub(crate) mod browser;
pub(crate) mod duo;
pub(crate) mod ecp;
pub(crate) mod home;
pub(crate) mod html;
pub(crate) mod http;
pub(crate) mod idp;
pub(crate) mod jar;
pub(crate) mod library;
pub(crate) mod logout;
pub(crate) mod mellon;
pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod pysaml2;
pub(crate) mod relying_party;
pub(crate) mod shibboleth;
pub(crate) mod slapd;
pub(crate) mod webdriver;
pub(crate) mod xml_signature;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take to become ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where tests leave what a person may want to look at.
pub(crate) fn output() -> PathBuf {
    let directory = root().join("target/test-output");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Lets something expire that nothing but time ends.
#[expect(clippy::disallowed_methods, reason = "an expiry, not a measurement")]
pub(crate) fn let_pass(time: Duration) {
    let end = Instant::now() + time;
    wait_for("time to pass", || (Instant::now() > end).then_some(()));
}

/// Asks `ready` again and again until it gives a value; panics with `what` at the deadline.
#[expect(clippy::disallowed_methods, reason = "a deadline, not a measurement")]
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
