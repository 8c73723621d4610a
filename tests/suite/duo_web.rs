//! The example application, as a person uses it.

use crate::harness::browser::Browser;
use crate::harness::duo::Duo;
use crate::harness::process::Process;
use crate::harness::root;
use std::process::Command;

#[test]
fn the_duo_web_example_signs_in_with_the_simulator() {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "duo_web"])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success());
    let program = root().join("target/debug/examples/duo_web");
    let directory = tempfile::tempdir().unwrap();
    let duo = Duo::start(directory.path());
    let mut command = Command::new(program);
    command
        .env("LISTEN", "127.0.0.1:0")
        .env("DUO_API_HOST", &duo.api_host)
        .env("DUO_CA", &duo.ca)
        .env("DUO_CLIENT_ID", Duo::CLIENT_ID)
        .env("DUO_CLIENT_SECRET", Duo::CLIENT_SECRET);
    let mut example = Process::start("duo-web", directory.path(), &mut command);
    let address = example.wait_until(|printed| {
        let line = printed.lines().find(|line| line.starts_with("http://"))?;
        Some(line.to_owned())
    });
    let mut browser = Browser::new();
    duo.fault("health_check", "fail_401", 1);
    let page = browser.open(&address);
    let form = page.form_with("name").unwrap().fill("name", "alice");
    let closed = browser.submit(&page, &form);
    assert_eq!(closed.response.status, 503, "{}", closed.body());
    assert!(
        example.printed().contains("configuration: "),
        "{}",
        example.printed()
    );
    let page = browser.open(&address);
    let form = page.form_with("name").unwrap().fill("name", "alice");
    let prompt = browser.submit(&page, &form);
    let done = browser.submit(&prompt, &prompt.duo_prompt().unwrap());
    assert!(
        done.body().contains("Signed in with duo_push"),
        "{}",
        done.body()
    );
    // The same callback again finds no login under way.
    let again = browser.open(done.url.as_str());
    assert_eq!(again.response.status, 400, "{}", again.body());
}
