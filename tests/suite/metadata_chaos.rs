//! A federation's server at its worst, over sockets: logins go on with the last good metadata, and
//! `/status` says what is wrong.

use crate::harness::browser::{ALICE, Browser};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response, instant, key_pair_files};
use crate::harness::wait_for;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// What the federation's server does with the next requests.
#[derive(Clone, Debug)]
enum Mood {
    Serves(String),
    ServesAt(String, String),
    Says(u16, &'static str),
    Junk,
    Hangs,
}

/// A web server that does as it is told.
struct Federation {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Federation {
    fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let federation = Self {
            port: listener.local_addr().unwrap().port(),
            mood: Arc::new(Mutex::new(mood)),
            asked: Arc::default(),
        };
        let (mood, asked) = (Arc::clone(&federation.mood), Arc::clone(&federation.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mood, asked) = (Arc::clone(&mood), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &mood, &asked));
            }
        });
        federation
    }

    fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, mood: &Mutex<Mood>, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut head = Vec::new();
    while let Some(Ok(line)) = lines
        .next()
        .filter(|line| !matches!(line, Ok(text) if text.is_empty()))
    {
        head.push(line);
    }
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else {
        return;
    };
    asked.lock().unwrap().push(head.join("\n"));
    let mood = mood.lock().unwrap().clone();
    let unchanged = |etag: &str| {
        head.iter()
            .any(|line| line.to_lowercase() == format!("if-none-match: {etag}").to_lowercase())
    };
    let _ = match mood {
        Mood::Serves(body) => {
            let etag = format!(
                "\"{}\"",
                openssl::base64::encode_block(&openssl::sha::sha256(body.as_bytes()))
            );
            if unchanged(&etag) {
                write!(stream, "HTTP/1.1 304 x\r\nConnection: close\r\n\r\n")
            } else {
                document(&mut stream, &body, &etag)
            }
        }
        Mood::ServesAt(at, body) if at == path => document(&mut stream, &body, "\"x\""),
        Mood::ServesAt(..) => write!(stream, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"),
        Mood::Says(status, header) => write!(
            stream,
            "HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Mood::Junk => junk(&mut stream),
        Mood::Hangs => {
            std::thread::park_timeout(Duration::from_secs(30));
            Ok(())
        }
    };
}

fn document(stream: &mut TcpStream, body: &str, etag: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// 100 MB that look like nothing.
fn junk(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
    )?;
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..100 {
        stream.write_all(&piece)?;
    }
    Ok(())
}

/// An aggregate of these parties, signed by xmlsec1.
fn aggregate(directory: &Path, parties: &[&RelyingParty], valid_for: i64) -> String {
    let entities: String = parties.iter().map(|party| party.metadata()).collect();
    let template = format!(
        r##"<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_f" validUntil="{}"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_f"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>
{entities}</md:EntitiesDescriptor>"##,
        instant(valid_for)
    );
    let (key, _) = key_pair_files(directory, "federation");
    let (input, output) = (directory.join("template.xml"), directory.join("signed.xml"));
    fs::write(&input, template).unwrap();
    let signing = Command::new("xmlsec1")
        .args([
            "--sign",
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor",
        ])
        .arg("--privkey-pem")
        .arg(key)
        .arg("--output")
        .arg(&output)
        .arg(input)
        .output()
        .unwrap();
    assert!(
        signing.status.success(),
        "{}",
        String::from_utf8_lossy(&signing.stderr)
    );
    fs::read_to_string(output).unwrap()
}

/// A deployment that reads one provider with these settings, looking every tenth of a second.
fn deployed(settings: &[(&str, &str)]) -> Deployment {
    let mut deployment = Deployment::prepare();
    let (_, certificate) = key_pair_files(deployment.directory(), "federation");
    let mut lines = format!(
        "\nvestibule.metadata.providers = federation\n\
         vestibule.metadata.federation.certificate = {}\n",
        certificate.display()
    );
    for (key, value) in settings {
        let _ = writeln!(lines, "vestibule.metadata.federation.{key} = {value}");
    }
    deployment.home.append("conf/metadata.properties", &lines);
    deployment
        .home
        .set("vestibule.metadata.pollInterval", "PT0.1S");
    deployment.serve();
    deployment
}

const OFTEN: [(&str, &str); 4] = [
    ("minRefreshDelay", "PT0.1S"),
    ("maxRefreshDelay", "PT0.1S"),
    ("socketTimeout", "PT1S"),
    ("maxValidityInterval", "P14D"),
];

/// The provider in `/status`.
fn status(deployment: &Deployment) -> serde_json::Value {
    let url = Url::parse(&deployment.url("/status")).unwrap();
    let body = Request::get(url).send().body;
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    let sources = status["metadata"].as_array().unwrap();
    sources
        .iter()
        .find(|source| source["name"] == "federation")
        .unwrap()
        .clone()
}

fn wait_for_problem(deployment: &Deployment, expected: &str) {
    wait_for(expected, || {
        let status = status(deployment);
        let problem = status["problem"].as_str().unwrap_or_default();
        (problem.contains(expected) && expected.is_empty() == problem.is_empty()).then_some(())
    });
}

fn logs_in(deployment: &Deployment, party: &RelyingParty) -> Response {
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    let response = Response::of(&arrival);
    assert!(response.is_success(), "{}", response.xml);
    response
}

/// Everything that goes wrong with a federation's server, and what `/status` says then.
fn bad_days(
    directory: &Path,
    party: &RelyingParty,
    good: &str,
    redirect: &'static str,
) -> Vec<(Mood, &'static str)> {
    vec![
        (
            Mood::Serves(good[..good.len() - 40].to_owned()),
            "not well-formed XML",
        ),
        (
            Mood::Serves(aggregate(directory, &[party], -60)),
            "expired on",
        ),
        (
            Mood::Serves(aggregate(directory, &[party], 86_400 * 15)),
            "maxValidityInterval",
        ),
        (
            Mood::Serves(good.replace("federated.example/acs", "federated.example/evil")),
            "the digest does not match",
        ),
        (
            Mood::Serves(party.metadata()),
            "the root's first element is not its signature",
        ),
        (Mood::Junk, "not XML"),
        (Mood::Says(500, "X: y"), "HTTP status 500"),
        (Mood::Says(302, redirect), "redirect to another host"),
        (Mood::Hangs, "timeout"),
    ]
}

#[test]
fn logins_go_on_whatever_a_federation_s_server_does() {
    let party = RelyingParty::new("federated");
    let scratch = tempfile::tempdir().unwrap();
    let good = aggregate(scratch.path(), &[&party], 86_400);
    let federation = Federation::start(Mood::Serves(good.clone()));
    let url = federation.url("/metadata.xml");
    let mut deployment = deployed(&[&[("url", url.as_str())], &OFTEN[..]].concat());
    wait_for("the aggregate", || {
        (status(&deployment)["entities"] == 1).then_some(())
    });
    logs_in(&deployment, &party);
    wait_for("a conditional request", || {
        federation
            .requests()
            .iter()
            .any(|head| head.to_lowercase().contains("if-none-match"))
            .then_some(())
    });
    let elsewhere = Federation::start(Mood::Serves(good.clone()));
    let redirect: &'static str = format!("Location: {}", elsewhere.url("/metadata.xml")).leak();
    for (mood, problem) in bad_days(scratch.path(), &party, &good, redirect) {
        federation.is_now(mood);
        wait_for_problem(&deployment, problem);
        logs_in(&deployment, &party);
    }
    assert_eq!(
        elsewhere.requests(),
        Vec::<String>::new(),
        "S30: nobody else was asked"
    );
    deployment.kill();
    deployment.serve();
    wait_for_problem(&deployment, "timeout");
    logs_in(&deployment, &party);
    // One entity changed.
    let moved = RelyingParty {
        acs: "https://federated.example/moved".to_owned(),
        ..party.clone()
    };
    federation.is_now(Mood::Serves(aggregate(scratch.path(), &[&moved], 86_400)));
    wait_for_problem(&deployment, "");
    assert_eq!(logs_in(&deployment, &party).posted_to, moved.acs);
}

#[test]
fn s28_a_party_that_left_the_federation_gets_nothing_even_in_mid_login() {
    let (party, other) = (RelyingParty::new("leaving"), RelyingParty::new("staying"));
    let scratch = tempfile::tempdir().unwrap();
    let federation = Federation::start(Mood::Serves(aggregate(
        scratch.path(),
        &[&party, &other],
        86_400,
    )));
    let url = federation.url("/metadata.xml");
    let deployment = deployed(&[&[("url", url.as_str())], &OFTEN[..]].concat());
    wait_for("the aggregate", || {
        (status(&deployment)["entities"] == 2).then_some(())
    });
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    federation.is_now(Mood::Serves(aggregate(scratch.path(), &[&other], 86_400)));
    wait_for("the refresh", || {
        (status(&deployment)["entities"] == 1).then_some(())
    });
    let arrival = browser.walk(page, ALICE);
    assert!(
        Response::on(&arrival.page).is_none(),
        "{}",
        arrival.page.body()
    );
    logs_in(&deployment, &other);
}

#[test]
fn s29_a_metadata_query_is_answered_by_the_entity_that_was_asked_for_or_by_nobody() {
    let (party, other) = (RelyingParty::new("queried"), RelyingParty::new("another"));
    let scratch = tempfile::tempdir().unwrap();
    let document = |party: &RelyingParty| aggregate(scratch.path(), &[party], 86_400);
    let at = |party: &RelyingParty| {
        let id: String = form_urlencoded::byte_serialize(party.entity_id.as_bytes()).collect();
        format!("/mdq/entities/{id}")
    };
    let federation = Federation::start(Mood::ServesAt(at(&party), document(&party)));
    let base = federation.url("/mdq/");
    let settings = [
        ("mdq", base.as_str()),
        ("negativeCacheDuration", "PT1H"),
        ("socketTimeout", "PT1S"),
    ];
    let deployment = deployed(&settings);
    logs_in(&deployment, &party);
    let refused = |party: &RelyingParty| {
        let mut browser = Browser::that_keeps_the_response();
        let page = browser.open(&party.request().url(&deployment.base_url));
        assert!(page.form_with("j_username").is_none(), "{}", page.body());
    };
    refused(&other);
    refused(&other);
    let asked = |party: &RelyingParty| {
        federation
            .requests()
            .iter()
            .filter(|head| head.contains(&at(party)))
            .count()
    };
    assert_eq!(
        (asked(&party), asked(&other)),
        (1, 1),
        "both answers are kept"
    );
    let third = RelyingParty::new("third");
    federation.is_now(Mood::ServesAt(at(&third), document(&other)));
    refused(&third);
    assert!(
        status(&deployment)["problem"]
            .as_str()
            .unwrap()
            .contains("not the entity that was asked for")
    );
    federation.is_now(Mood::Hangs);
    logs_in(&deployment, &party);
}
