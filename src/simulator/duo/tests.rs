//! Whole exchanges over TLS, by our own client and a browser without a face.

use super::{Application, ApplicationKind, Options, Outcome, Running, Simulator, StartError};
use crate::config::settings::{DuoHttpSettings, DuoTrust};
use crate::duo::claims::{self, ClaimError, Expected, VerifiedClaims};
use crate::duo::integration::Integration;
use crate::duo::jwt;
use crate::duo::oidc::{self, AuthorizeParameters, DuoError, FormRequest};
use crate::duo::secret::Secret;
use crate::server::back_end::DuoClient as _;
use crate::server::back_end::duo::{HttpDuoClient, install_tls_provider};
use crate::server::world::{Clock as _, Random as _, SystemClock, SystemRandom};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const CLIENT_ID: &str = "DISIMULATORSIMULATOR";
const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
const CALLBACK: &str = "https://idp.example.org/idp/duo-callback?x=1";

/// A running simulator, the integration that points at it, our client and a browser.
struct Bench {
    running: Running,
    integration: Integration,
    client: HttpDuoClient,
    browser: Client,
}

fn application() -> Application {
    Application::web_sdk(CLIENT_ID, Secret::new(SECRET))
}

fn bench() -> Bench {
    bench_with(Options::on_loopback(vec![application()]))
}

fn bench_with(options: Options) -> Bench {
    install_tls_provider();
    let running = Simulator::start(options).unwrap();
    let secret = Secret::new(SECRET);
    let integration = Integration::new("default", &running.api_host, CLIENT_ID, secret);
    let ca = Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
    let browser = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let client = our_client(DuoTrust::Pem(vec![running.ca_pem.clone().into_bytes()]), 5);
    Bench {
        running,
        integration,
        client,
        browser,
    }
}

fn our_client(trust: DuoTrust, seconds: u64) -> HttpDuoClient {
    let settings = DuoHttpSettings {
        connect_timeout: Duration::from_secs(seconds),
        total_timeout: Duration::from_secs(seconds),
        max_connections: 4,
        trust,
        ..DuoHttpSettings::default()
    };
    HttpDuoClient::new(&settings).unwrap()
}

fn fresh() -> String {
    let mut bytes = [0; 18];
    SystemRandom.fill(&mut bytes);
    openssl::bn::BigNum::from_slice(&bytes)
        .unwrap()
        .to_hex_str()
        .unwrap()
        .to_string()
}

fn query_of(location: &str) -> BTreeMap<String, String> {
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().into_owned().collect()
}

impl Bench {
    fn parameters(&self, username: &str) -> AuthorizeParameters {
        let _ = self;
        AuthorizeParameters {
            state: fresh(),
            nonce: fresh(),
            redirect_uri: CALLBACK.to_owned(),
            username: username.to_owned(),
        }
    }

    async fn health(&self) -> Result<(), DuoError> {
        let now = SystemClock.now();
        let request = oidc::health_check(&self.integration, &fresh(), now);
        let answer = self.client.send(&self.integration, &request).await;
        oidc::read_health(&answer, now)
    }

    /// Where the authorize endpoint sends the browser, or its page.
    async fn authorize(&self, parameters: &AuthorizeParameters) -> Result<String, String> {
        let url = oidc::authorize_url(&self.integration, parameters, SystemClock.now());
        self.browse(self.browser.get(url)).await
    }

    async fn browse(&self, request: reqwest::RequestBuilder) -> Result<String, String> {
        let response = request.send().await.unwrap();
        match response.headers().get("location") {
            Some(location) => {
                assert_eq!(response.status(), 303);
                Ok(location.to_str().unwrap().to_owned())
            }
            None => Err(response.text().await.unwrap()),
        }
    }

    /// Presses a button of the prompt.
    async fn choose(&self, prompt: &str, choice: &str) -> Result<String, String> {
        let (path, sid) = prompt.split_once("?sid=").unwrap();
        let url = self.integration.url(path);
        let page = self.browser.get(format!("{url}?sid={sid}")).send().await;
        let page = page.unwrap().text().await.unwrap();
        assert!(page.contains("value=\"push\""), "{page}");
        let form = format!("sid={sid}&choice={choice}");
        let kind = "application/x-www-form-urlencoded";
        let post = self.browser.post(url).header("content-type", kind);
        self.browse(post.body(form)).await
    }

    async fn exchange(&self, code: &str, redirect_uri: &str) -> Result<String, DuoError> {
        let now = SystemClock.now();
        let request = oidc::token(&self.integration, code, redirect_uri, &fresh(), now);
        let answer = self.client.send(&self.integration, &request).await;
        oidc::read_token(&answer, now).map(|answer| answer.id_token)
    }

    fn verify(
        &self,
        id_token: &str,
        parameters: &AuthorizeParameters,
    ) -> Result<VerifiedClaims, ClaimError> {
        let expected = Expected {
            integration: &self.integration,
            username: &parameters.username,
            nonce: &parameters.nonce,
            forced: true,
        };
        claims::verify(id_token, &expected, SystemClock.now())
    }

    /// A whole login with everybody's outcome settled.
    async fn login(&self, username: &str) -> Result<VerifiedClaims, ClaimError> {
        let parameters = self.parameters(username);
        let location = self.authorize(&parameters).await.unwrap();
        let code = query_of(&location)["duo_code"].clone();
        let token = self.exchange(&code, CALLBACK).await.unwrap();
        self.verify(&token, &parameters)
    }

    async fn control(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.running.control_url.as_ref().unwrap());
        let response = self.browser.post(url).json(body).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 200, "{}", response.text().await.unwrap());
    }

    async fn told(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.running.control_url.as_ref().unwrap());
        let response = self.browser.get(url).send().await.unwrap();
        response.json().await.unwrap()
    }
}

#[tokio::test]
async fn a_whole_login_passes_through_the_prompt() {
    let bench = bench();
    assert_eq!(bench.health().await, Ok(()));
    let parameters = bench.parameters("jo hn+ü");
    let prompt = bench.authorize(&parameters).await.unwrap();
    let location = bench.choose(&prompt, "push").await.unwrap();
    assert!(
        location.starts_with(&format!("{CALLBACK}&state=")),
        "{location}"
    );
    let returned = query_of(&location);
    assert_eq!(returned["state"], parameters.state);
    let token = bench.exchange(&returned["duo_code"], CALLBACK).await;
    let claims = bench.verify(&token.unwrap(), &parameters).unwrap();
    assert_eq!(claims.username, "jo hn+ü");
    assert_eq!(
        (claims.factor.as_str(), claims.reason.as_str()),
        ("duo_push", "user_approved")
    );
    assert_eq!(claims.all["auth_context"]["ood_software"], Value::Null);
    let log = bench.told("/log").await;
    assert_eq!(log[0]["txid"], claims.txid.as_str());
    assert_eq!(log[0]["result"], "success");
    bench.running.stop();
}

#[tokio::test]
async fn a_denied_user_stays_at_the_prompt_and_may_try_again() {
    let bench = bench();
    let parameters = bench.parameters("alice");
    let prompt = bench.authorize(&parameters).await.unwrap();
    let page = bench.choose(&prompt, "fraud").await.unwrap_err();
    assert!(page.contains("Try again"), "{page}");
    assert!(bench.choose(&prompt, "phone").await.is_ok());
    let log = bench.told("/log").await;
    assert_eq!(log[0]["result"], "fraud");
    assert_eq!(log[1]["factor"], "phone_call");
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_redirect_uri_alone() {
    let mut options = Options::on_loopback(vec![application()]);
    options.auto = Outcome::named("allow");
    let bench = bench_with(options);
    let code = async || {
        let location = bench.authorize(&bench.parameters("alice")).await.unwrap();
        query_of(&location)["duo_code"].clone()
    };
    let first = code().await;
    assert!(bench.exchange(&first, CALLBACK).await.is_ok());
    assert_eq!(
        bench.exchange(&first, CALLBACK).await,
        Err(DuoError::InvalidGrant)
    );
    let second = code().await;
    assert_eq!(
        bench.exchange(&second, "https://idp.example.org/").await,
        Err(DuoError::InvalidGrant)
    );
}

#[tokio::test]
async fn a_wrong_secret_a_wrong_kind_and_a_wrong_clock_are_told_apart() {
    let mut other = application();
    other.client_id = "DIAUTHAPIAUTHAPI0001".to_owned();
    other.kind = ApplicationKind::AuthApi;
    let mut bench = bench_with(Options::on_loopback(vec![application(), other]));
    bench.integration.client_secret = Secret::new("w".repeat(40));
    // A second may pass between the two clocks' readings.
    assert!(matches!(
        bench.health().await,
        Err(DuoError::InvalidClient {
            clock_difference: Some(-2..=2)
        })
    ));
    let page = bench.authorize(&bench.parameters("alice")).await;
    assert!(page.unwrap_err().contains("invalid_client"));
    bench.integration.client_secret = Secret::new(SECRET);
    let fault = json!({"endpoint": "health_check", "kind": "clock-offset", "seconds": 7200});
    bench.control("/fault", &fault).await;
    let Err(DuoError::InvalidClient {
        clock_difference: Some(difference),
    }) = bench.health().await
    else {
        panic!("the clock was not told");
    };
    assert!((-7205..=-7195).contains(&difference), "{difference}");
    bench.control("/reset", &json!({})).await;
    bench.integration.client_id = "DIAUTHAPIAUTHAPI0001".to_owned();
    assert_eq!(bench.health().await, Err(DuoError::WrongApplicationKind));
}

#[tokio::test]
async fn an_assertion_cannot_be_replayed() {
    let bench = bench();
    let now = SystemClock.now();
    let request = oidc::health_check(&bench.integration, &fresh(), now);
    let answer = bench.client.send(&bench.integration, &request).await;
    assert_eq!(oidc::read_health(&answer, now), Ok(()));
    let again = bench.client.send(&bench.integration, &request).await;
    assert!(matches!(
        oidc::read_health(&again, now),
        Err(DuoError::InvalidClient { .. })
    ));
}

#[tokio::test]
async fn assertions_are_taken_as_leniently_as_duos_own_clients_need_and_no_further() {
    let bench = bench();
    let url = bench.integration.url("/oauth/v1/health_check");
    let now = SystemClock.now().as_second();
    let good = || json!({"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": url, "jti": fresh(), "exp": now + 300});
    let judged = async |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        let assertion = jwt::sign(&claims, &bench.integration.client_secret).unwrap();
        let request = FormRequest {
            url: url.clone(),
            form: vec![("client_assertion", assertion)],
        };
        let answer = bench.client.send(&bench.integration, &request).await;
        oidc::read_health(&answer, SystemClock.now()).is_ok()
    };
    for (name, value) in [
        ("jti", json!("another")),
        ("exp", json!(f64::from(u32::try_from(now).unwrap()) + 299.5)),
        ("exp", json!((now + 300).to_string())),
        ("exp", json!(now + 3600)),
        ("exp", json!(now - 30)),
        ("aud", json!([url])),
        ("aud", json!(bench.integration.url(""))),
    ] {
        assert!(judged(name, value.clone()).await, "{name} {value}");
    }
    for (name, value) in [
        ("jti", json!("another")),
        ("jti", Value::Null),
        ("exp", json!(now + 3700)),
        ("exp", json!(now - 90)),
        ("exp", Value::Null),
        ("aud", json!(bench.integration.url("/oauth/v1/token"))),
        ("aud", json!([url, url])),
        ("sub", json!("DIOTHEROTHEROTHER001")),
    ] {
        assert!(!judged(name, value.clone()).await, "{name} {value}");
    }
}

#[tokio::test]
async fn s40_each_fault_of_the_token_meets_its_own_refusal() {
    let bench = bench();
    bench.control("/outcome", &json!({"outcome": "push"})).await;
    assert!(bench.login("alice").await.is_ok());
    for (kind, error) in [
        ("wrong-iss", ClaimError::Issuer),
        ("wrong-aud", ClaimError::Audience),
        ("wrong-nonce", ClaimError::Nonce),
        (
            "missing-nonce",
            ClaimError::MissingClaim(claims::ClaimName::Nonce),
        ),
        ("expired", ClaimError::Expired),
        ("hs256", ClaimError::Algorithm),
        ("alg-none", ClaimError::Algorithm),
        ("wrong-key", ClaimError::Signature),
        ("other-user", ClaimError::Username),
        ("other-case", ClaimError::Username),
        ("signed-deny", ClaimError::NotAllowed),
        (
            "missing-auth-result",
            ClaimError::MissingClaim(claims::ClaimName::AuthResult),
        ),
        ("old-auth-time", ClaimError::AuthTime),
    ] {
        let fault = json!({"endpoint": "token", "kind": kind, "times": 1});
        bench.control("/fault", &fault).await;
        assert_eq!(bench.login("alice").await.err(), Some(error), "{kind}");
    }
    let extra = json!({"endpoint": "token", "kind": "extra-member", "times": 1});
    bench.control("/fault", &extra).await;
    assert!(bench.login("alice").await.is_ok());
}

#[tokio::test]
async fn s45_faults_on_the_way_are_transport_failures_with_one_word() {
    let bench = bench();
    let reason = async |fault: Value| {
        bench.control("/fault", &fault).await;
        let outcome = bench.health().await;
        bench.control("/reset", &json!({})).await;
        outcome
    };
    let unreachable = |word: &str| Err(DuoError::Unreachable(word.to_owned()));
    assert_eq!(reason(json!({"kind": "reset"})).await, unreachable("reset"));
    assert_eq!(
        reason(json!({"kind": "long-body"})).await,
        unreachable("body-too-long")
    );
    assert_eq!(
        reason(json!({"kind": "http-503"})).await,
        Err(DuoError::ServerError(503))
    );
    assert_eq!(
        reason(json!({"kind": "429"})).await,
        Err(DuoError::RateLimited)
    );
    assert!(matches!(
        reason(json!({"kind": "not-json"})).await,
        Err(DuoError::Malformed(_))
    ));
    assert!(matches!(
        reason(json!({"kind": "fail-401"})).await,
        Err(DuoError::InvalidClient { .. })
    ));
}

#[tokio::test]
async fn s45_slow_untrusted_absent_and_unknown_hosts_are_told_apart() {
    let mut bench = bench();
    let unreachable = |word: &str| Err(DuoError::Unreachable(word.to_owned()));
    let trust = DuoTrust::Pem(vec![bench.running.ca_pem.clone().into_bytes()]);
    bench.client = our_client(trust.clone(), 1);
    for kind in ["delay", "slow-body"] {
        bench
            .control("/fault", &json!({"kind": kind, "seconds": 600}))
            .await;
        assert_eq!(bench.health().await, unreachable("timeout"), "{kind}");
        bench.control("/reset", &json!({})).await;
    }
    bench.client = our_client(trust.clone(), 5);
    bench
        .control("/fault", &json!({"kind": "foreign-ca", "times": 1}))
        .await;
    assert_eq!(bench.health().await, unreachable("tls"));
    assert_eq!(bench.health().await, Ok(()));
    bench.client = our_client(DuoTrust::Bundled, 5);
    assert_eq!(bench.health().await, unreachable("tls"));
    bench.client = our_client(trust, 5);
    bench.integration.api_host = "no-such-host.invalid".to_owned();
    assert_eq!(bench.health().await, unreachable("dns"));
    bench.integration.api_host = "localhost:1".to_owned();
    assert_eq!(bench.health().await, unreachable("connect"));
}

#[tokio::test]
async fn users_are_treated_by_their_status() {
    let bench = bench();
    for (name, status, reason) in [
        ("bob", "bypass", Some("bypass_user")),
        ("carol", "disabled", None),
        ("dave", "locked out", None),
    ] {
        bench
            .control("/user", &json!({"username": name, "status": status}))
            .await;
        let went = bench.authorize(&bench.parameters(name)).await;
        assert_eq!(went.is_ok(), reason.is_some(), "{name}");
        let log = bench.told("/log").await;
        let entry = log.as_array().unwrap().last().unwrap().clone();
        assert_eq!(entry["user"]["name"], name);
        if let Some(reason) = reason {
            assert_eq!(entry["reason"], reason);
        }
    }
}

#[tokio::test]
async fn an_error_redirect_can_be_scripted() {
    let bench = bench();
    let outcome = json!({"username": "alice", "outcome": "error", "times": 1});
    bench.control("/outcome", &outcome).await;
    let parameters = bench.parameters("alice");
    let returned = query_of(&bench.authorize(&parameters).await.unwrap());
    assert_eq!(returned["error"], "access_denied");
    assert_eq!(returned["state"], parameters.state);
    let prompt = bench.authorize(&bench.parameters("alice")).await.unwrap();
    assert!(prompt.starts_with("/frame/v4/prompt"), "{prompt}");
}

#[tokio::test]
async fn the_control_api_shows_what_arrived_and_refuses_pages_of_other_sites() {
    let bench = bench();
    bench.health().await.unwrap();
    let requests = bench.told("/requests").await;
    assert_eq!(requests[0]["endpoint"], "health_check");
    assert_eq!(requests[0]["claims"]["iss"], CLIENT_ID);
    let url = format!("{}/reset", bench.running.control_url.as_ref().unwrap());
    for (name, value) in [("origin", "https://evil.example"), ("host", "evil.example")] {
        let attempt = bench.browser.post(&url).header(name, value);
        assert_eq!(attempt.send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(bench.told("/requests").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let bench = bench();
    let url = bench.integration.url("/auth/v2/ping");
    let attempt = bench.browser.get(url).header("host", "evil.example");
    assert_eq!(attempt.send().await.unwrap().status(), 400);
}

#[test]
fn it_listens_beyond_loopback_only_when_told() {
    let mut options = Options::on_loopback(vec![application()]);
    options.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(
        Simulator::start(options.clone()),
        Err(StartError::Remote(_))
    ));
    options.listen = "127.0.0.1:0".parse().unwrap();
    options.control = Some("0.0.0.0:0".parse().unwrap());
    assert!(matches!(
        Simulator::start(options),
        Err(StartError::Remote(_))
    ));
}

#[tokio::test]
async fn the_auth_api_is_spoken_by_our_own_client() {
    use crate::duo::auth_api::{
        AuthRequest, AuthStatus, EnrolStatus, Factor, PreauthResult, Subject,
    };
    use crate::server::back_end::duo::auth;
    let mut api = application();
    api.kind = ApplicationKind::AuthApi;
    let bench = bench_with(Options::on_loopback(vec![api]));
    let (duo, integration) = (&bench.client, &bench.integration);
    assert_eq!(auth::check(duo, integration, &SystemClock).await, Ok(()));
    let alice = Subject::Username("alice".to_owned());
    let preauth = auth::preauth(duo, integration, &alice, None, &SystemClock).await;
    let preauth = preauth.unwrap();
    assert_eq!(preauth.result, PreauthResult::Auth);
    let device = || preauth.devices[0].device.clone();
    for (factor, allowed) in [
        (Factor::Auto("auto".to_owned()), true),
        (Factor::Push(device()), true),
        (Factor::Phone(device()), true),
        (Factor::Passcode("123456".to_owned()), true),
        (Factor::Passcode("000000".to_owned()), false),
        (Factor::Sms(device()), false),
    ] {
        let request = AuthRequest {
            subject: alice.clone(),
            factor,
            client_ip: Some("192.0.2.7".to_owned()),
            push_info: Vec::new(),
        };
        let end = auth::authenticate(duo, integration, &request, &SystemClock).await;
        let end = end.unwrap();
        assert_eq!(
            matches!(end, AuthStatus::Allowed(_)),
            allowed,
            "{request:?}"
        );
    }
    let begun = auth::enroll(duo, integration, "new", 600, &SystemClock).await;
    let begun = begun.unwrap();
    let status = async || auth::enroll_status(duo, integration, &begun, &SystemClock).await;
    assert_eq!(status().await, Ok(EnrolStatus::Waiting));
    bench
        .browser
        .get(&begun.activation_url)
        .send()
        .await
        .unwrap();
    assert_eq!(status().await, Ok(EnrolStatus::Success));
    let mut wrong = integration.clone();
    wrong.client_secret = Secret::new("w".repeat(40));
    assert_eq!(
        auth::check(duo, &wrong, &SystemClock).await,
        Err(DuoError::WrongSecret)
    );
}
