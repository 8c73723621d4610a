//! Duo's own record of authentications, read by Duo's own client, and our audit: the same, login by
//! login.

use crate::harness::browser::{ALICE, BOB, Browser, Person};
use crate::harness::duo::Duo;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response};
use crate::harness::{root, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// What ends well at Duo, whatever it may claim here.
const ALLOWED: [&str; 11] = [
    "push",
    "verified-push",
    "passcode",
    "sms-passcode",
    "hardware-token",
    "phone",
    "security-key",
    "bypass",
    "trusted-network",
    "remembered-device",
    "allow-unenrolled",
];

/// What leaves the user at Duo: its record has it, and we never hear of it.
const DENIED: [&str; 4] = ["deny", "fraud", "timeout", "invalid-passcode"];

/// An entry on either side: transaction, user, factor, reason.
type Entry = [String; 4];

/// Duo's record through the Admin API.
fn record(deployment: &Deployment) -> Vec<Value> {
    let simulator = json!({
        "api_host": deployment.duo.api_host,
        "ca": deployment.duo.ca,
        "admin_api": Duo::ADMIN_API,
    });
    let output = Command::new(root().join("tests/.cache/venv/bin/python"))
        .arg(root().join("tests/duo_clients/authlog.py"))
        .arg(simulator.to_string())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let entries = printed.lines().map(serde_json::from_str);
    entries.collect::<Result<_, _>>().unwrap()
}

fn entry(value: &Value) -> Entry {
    ["/txid", "/user/name", "/factor", "/reason"]
        .map(|pointer| value.pointer(pointer).unwrap().as_str().unwrap().to_owned())
}

/// The fields of our Duo lines: before the redirect (no `%DuoRespS`), and after the result.
fn audit(deployment: &Deployment) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let file = deployment.home.path.join("logs/idp-duo2fa-audit.log");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let fields = |line: &str| line.split('|').map(str::to_owned).collect();
    let lines = text.lines().map(fields);
    lines.partition(|fields: &Vec<String>| fields[7].is_empty())
}

fn heard(fields: &[String]) -> Entry {
    [8, 3, 12, 11].map(|field: usize| fields[field].clone())
}

#[test]
fn duos_own_record_equals_our_audit_login_by_login() {
    let party = RelyingParty::new("recorded");
    let mut deployment = Deployment::prepare();
    deployment.trust("recorded", &party.metadata());
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    let log_in = |person: Person| {
        let mut browser = Browser::that_keeps_the_response();
        browser.log_in(&party.request().url(&deployment.base_url), person)
    };
    for (number, outcome) in ALLOWED.iter().chain(&DENIED).enumerate() {
        let person = [ALICE, BOB][number % 2];
        let scripted = json!({ "username": person.name, "outcome": outcome, "times": 1 });
        deployment.duo.outcome(&scripted);
        log_in(person);
    }
    // Left at the prompt: neither side has more to tell than that it began.
    let mut browser = Browser::new();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    assert!(browser.submit(&page, &form).duo_prompt().is_some());

    let trips = ALLOWED.len() + DENIED.len() + 1;
    let (began, ended) = wait_for("every line", || {
        let (began, ended) = audit(&deployment);
        (began.len() == trips && ended.len() == ALLOWED.len()).then_some((began, ended))
    });
    let record = record(&deployment);
    assert_eq!(record.len(), ALLOWED.len() + DENIED.len());
    let (allowed, denied): (Vec<_>, Vec<_>) = record
        .iter()
        .partition(|entry| entry["result"] == "success");
    let theirs: Vec<Entry> = allowed.into_iter().map(entry).collect();
    let ours: Vec<Entry> = ended.iter().map(|fields| heard(fields)).collect();
    assert_eq!(ours, theirs);
    let transactions: BTreeSet<&str> = ours.iter().map(|entry| entry[0].as_str()).collect();
    assert_eq!(transactions.len(), ALLOWED.len(), "one transaction each");
    for refused in denied {
        let txid = entry(refused)[0].clone();
        assert!(!transactions.contains(txid.as_str()), "{refused}");
    }
    let results: Vec<&str> = record
        .iter()
        .rev()
        .take(DENIED.len())
        .map(|entry| entry["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["denied", "denied", "fraud", "denied"]);
    assert!(began.iter().all(|fields| fields[8].is_empty()));
}

#[test]
fn a_claim_of_duos_can_become_an_attribute() {
    let party = RelyingParty::new("told");
    let mut deployment = Deployment::prepare();
    deployment.trust("told", &party.metadata());
    deployment.home.require_mfa(&party.entity_id);
    deployment.home.append(
        "conf/attributes.properties",
        "\nvestibule.attribute.duoTransaction.oid = urn:example:duo-transaction\n\
         vestibule.attribute.duoTransaction.source = login.duo.claim.auth_context.txid\n\
         vestibule.release.duo.to = *\n\
         vestibule.release.duo.attributes = duoTransaction\n",
    );
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let url = party.request().url(&deployment.base_url);
    let arrival = browser.log_in(&url, ALICE);
    let (_, ended) = wait_for("Duo's line", || {
        let lines = audit(&deployment);
        (!lines.1.is_empty()).then_some(lines)
    });
    let response = Response::of(&arrival);
    let txid = &heard(&ended[0])[0];
    assert!(response.xml.contains(txid.as_str()), "{}", response.xml);
}
