use super::*;
use crate::duo::secret::Secret;
use crate::server::world::SystemRandom;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// A clock that a test moves.
#[derive(Debug, Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Answers from a list, the last one for ever, and keeps what was asked.
#[derive(Debug, Default)]
struct Scripted {
    answers: Mutex<Vec<HttpAnswer>>,
    forms: Mutex<Vec<FormRequest>>,
    calls: AtomicUsize,
}

impl Scripted {
    fn next(&self) -> HttpAnswer {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        }
    }

    fn made(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl DuoClient for Scripted {
    fn send<'a>(
        &'a self,
        _integration: &'a Integration,
        request: &'a FormRequest,
    ) -> BoxFuture<'a, HttpAnswer> {
        self.forms.lock().unwrap().push(request.clone());
        std::future::ready(self.next()).boxed()
    }

    fn call<'a>(
        &'a self,
        _integration: &'a Integration,
        _call: &'a ApiCall,
    ) -> BoxFuture<'a, HttpAnswer> {
        std::future::ready(self.next()).boxed()
    }
}

/// Never answers.
#[derive(Debug, Default)]
struct BlackHole(AtomicUsize);

impl DuoClient for BlackHole {
    fn send<'a>(
        &'a self,
        _integration: &'a Integration,
        _request: &'a FormRequest,
    ) -> BoxFuture<'a, HttpAnswer> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().boxed()
    }

    fn call<'a>(
        &'a self,
        _integration: &'a Integration,
        _call: &'a ApiCall,
    ) -> BoxFuture<'a, HttpAnswer> {
        std::future::pending().boxed()
    }
}

struct Bench {
    client: GuardedDuoClient,
    duo: Arc<Scripted>,
    clock: Arc<HandClock>,
    integration: Integration,
}

fn settings() -> DuoHttpSettings {
    DuoHttpSettings {
        circuit: CircuitSettings {
            failures: 3,
            open_for: Duration::from_secs(30),
        },
        retries: 1,
        ..DuoHttpSettings::default()
    }
}

fn integration() -> Integration {
    let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
    Integration::new("default", "api.example.org", "DITESTTESTTESTTEST01", secret)
}

fn bench(answers: Vec<HttpAnswer>, settings: &DuoHttpSettings) -> Bench {
    let duo = Arc::new(Scripted {
        answers: Mutex::new(answers),
        ..Scripted::default()
    });
    let clock = Arc::new(HandClock::default());
    Bench {
        client: GuardedDuoClient::new(
            Arc::clone(&duo) as Arc<dyn DuoClient>,
            settings,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(SystemRandom),
        ),
        duo,
        clock,
        integration: integration(),
    }
}

impl Bench {
    /// How the one circuit stands.
    fn circuit(&self) -> &'static str {
        let circuits = self.client.circuits();
        assert_eq!(circuits.len(), 1, "{circuits:?}");
        circuits[0].1
    }

    async fn health(&self) -> HttpAnswer {
        let request = oidc::health_check(&self.integration, "first", self.clock.now());
        self.client.send(&self.integration, &request).await
    }

    async fn token(&self) -> HttpAnswer {
        let now = self.clock.now();
        let request = oidc::token(&self.integration, "c0de", "https://x/", "first", now);
        self.client.send(&self.integration, &request).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn well() -> HttpAnswer {
    response(
        200,
        &[],
        r#"{"stat":"OK","response":{"timestamp":1800000000}}"#,
    )
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    HttpAnswer::Response {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn a_good_health_check_does_for_as_long_as_it_is_kept() {
    let bench = bench(vec![well()], &settings());
    for _ in 0..3 {
        assert_eq!(bench.health().await, well());
    }
    assert_eq!(bench.duo.made(), 1);
    bench.pass(5);
    bench.health().await;
    assert_eq!(bench.duo.made(), 2);
}

#[tokio::test]
async fn a_health_check_that_failed_is_never_kept() {
    let bad = response(200, &[], r#"{"stat":"FAIL","message":"invalid_client"}"#);
    let bench = bench(vec![bad.clone(), bad, well()], &settings());
    for _ in 0..2 {
        assert_ne!(bench.health().await, well());
    }
    assert_eq!(bench.health().await, well());
}

#[tokio::test]
async fn a_retry_carries_an_assertion_of_its_own() {
    let bench = bench(vec![response(503, &[], ""), well()], &settings());
    assert_eq!(bench.health().await, well());
    let forms = bench.duo.forms.lock().unwrap();
    assert_eq!(forms.len(), 2);
    assert_ne!(forms[0].form, forms[1].form);
}

#[tokio::test]
async fn a_code_is_not_spent_twice() {
    let unsettled = [
        response(500, &[], ""),
        transport("reset"),
        transport("timeout"),
    ];
    for answer in unsettled {
        let bench = bench(vec![answer.clone(), well()], &settings());
        assert_eq!(bench.token().await, answer);
        assert_eq!(bench.duo.made(), 1, "{answer:?}");
    }
    let bench = bench(vec![transport("connect"), well()], &settings());
    assert_eq!(bench.token().await, well());
}

#[tokio::test]
async fn an_open_circuit_answers_at_once_until_one_call_finds_duo_back() {
    let bench = bench(vec![transport("timeout")], &settings());
    for _ in 0..3 {
        assert_eq!(bench.health().await, transport("timeout"));
    }
    assert_eq!(bench.health().await, transport("circuit open"));
    assert_eq!(bench.duo.made(), 3);
    assert_eq!(bench.circuit(), "open");
    bench.pass(30);
    *bench.duo.answers.lock().unwrap() = vec![well()];
    assert_eq!(bench.health().await, well());
    assert_eq!(bench.circuit(), "closed");
}

#[tokio::test]
async fn who_comes_back_from_duo_is_served_though_the_circuit_is_open() {
    let bench = bench(vec![transport("timeout")], &settings());
    for _ in 0..4 {
        bench.health().await;
    }
    *bench.duo.answers.lock().unwrap() = vec![well()];
    assert_eq!(bench.token().await, well());
    assert_eq!(bench.circuit(), "closed");
}

#[tokio::test]
async fn duo_is_left_alone_for_as_long_as_it_asks() {
    let busy = response(429, &[("retry-after", "60")], "");
    let bench = bench(vec![busy, well()], &settings());
    for _ in 0..3 {
        let answer = bench.health().await;
        assert!(matches!(answer, HttpAnswer::Response { status: 429, .. }));
    }
    assert_eq!(bench.duo.made(), 1);
    bench.pass(60);
    assert_eq!(bench.health().await, well());
}

#[tokio::test]
async fn a_refusal_does_not_open_the_circuit() {
    let refusal = response(401, &[], r#"{"error":"invalid_client"}"#);
    let bench = bench(vec![refusal.clone()], &settings());
    for _ in 0..10 {
        assert_eq!(bench.health().await, refusal);
    }
    assert_eq!(bench.duo.made(), 10);
}

#[tokio::test]
async fn a_black_hole_holds_a_bounded_number_of_calls_for_a_bounded_time() {
    let duo = Arc::new(BlackHole::default());
    let settings = DuoHttpSettings {
        max_connections: 2,
        deadline: Duration::from_secs(1),
        permit_timeout: Duration::from_millis(20),
        ..settings()
    };
    let client = GuardedDuoClient::new(
        Arc::clone(&duo) as Arc<dyn DuoClient>,
        &settings,
        Arc::new(HandClock::default()),
        Arc::new(SystemRandom),
    );
    let integration = integration();
    let request = oidc::health_check(&integration, "j", Timestamp::UNIX_EPOCH);
    let calls = (0..20).map(|_| client.send(&integration, &request));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(duo.0.load(Ordering::SeqCst), 2);
    let waited_in_vain = transport("too many calls under way");
    let turned_away = answers.iter().filter(|answer| **answer == waited_in_vain);
    assert_eq!(turned_away.count(), 18);
}

#[test]
fn retry_after_is_seconds_or_a_date_and_never_long() {
    let now = Timestamp::from_second(784_111_700).unwrap();
    for (value, wanted) in [
        ("7", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 77),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 0),
        ("soon", 1),
        ("86400", 300),
    ] {
        let answer = response(429, &[("retry-after", value)], "");
        assert_eq!(
            retry_after(&answer, now),
            Duration::from_secs(wanted),
            "{value}"
        );
    }
}
