//! Faults that can be switched on, for each endpoint, once or for good.

use super::message::Disturbance;
use serde::Deserialize;

/// A fault as the control API takes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// `health_check`, `token`, a path, `tls`, or `*`.
    #[serde(default = "everywhere")]
    endpoint: String,
    kind: String,
    /// How often; until `/reset` when absent.
    times: Option<u32>,
    /// For delays, pauses and clock offsets.
    #[serde(default)]
    seconds: Option<i64>,
}

fn everywhere() -> String {
    "*".to_owned()
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The clock is off by seconds.
    ClockOffset(i64),
    /// The answer comes late.
    Delay(u64),
    /// Half of the body comes late.
    SlowBody(u64),
    /// The connection ends without an answer.
    Reset,
    /// This HTTP status and no JSON.
    Status(u16),
    /// A FAIL or an `invalid_client`, with this HTTP status.
    Fail(u16),
    /// 200 and a body that is not JSON.
    NotJson,
    /// 200 and a body without end, as far as a client is concerned.
    LongBody,
    /// One more member in the JSON.
    ExtraMember,
    /// The TLS certificate of an authority nobody trusts.
    ForeignCa,
    /// Something is wrong with the result token.
    Token(TokenFault),
}

/// What is wrong with a result token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenFault {
    WrongIssuer,
    WrongAudience,
    WrongNonce,
    MissingNonce,
    Expired,
    Hs256,
    Hs384,
    Rs256,
    AlgNone,
    WrongKey,
    OtherUser,
    OtherCase,
    SignedDeny,
    MissingAuthResult,
    OldAuthTime,
    NotAJwt,
    NoIdToken,
    WrongTokenType,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Fault, FaultKind)>);

impl Faults {
    /// Switches a fault on; an unknown kind is refused.
    pub(super) fn add(&mut self, fault: Fault) -> Result<(), &'static str> {
        let kind = kind(&fault.kind, fault.seconds).ok_or("unknown kind of fault")?;
        self.0.push((fault, kind));
        Ok(())
    }

    /// The faults of this call, counted down.
    pub(super) fn take(&mut self, endpoint: &str) -> Vec<FaultKind> {
        let mut taken = Vec::new();
        self.0.retain_mut(|(fault, kind)| {
            if !fault.concerns(endpoint, *kind) {
                return true;
            }
            taken.push(*kind);
            match &mut fault.times {
                None => true,
                Some(times) => {
                    *times = times.saturating_sub(1);
                    *times > 0
                }
            }
        });
        taken
    }
}

impl Fault {
    fn concerns(&self, endpoint: &str, kind: FaultKind) -> bool {
        // A handshake knows no path, and a path no handshake.
        if (kind == FaultKind::ForeignCa) != (endpoint == "tls") {
            return false;
        }
        let wanted = self.endpoint.as_str();
        let last = wanted.rsplit('/').next().unwrap_or_default();
        endpoint == "tls" || wanted == "*" || normal(last) == normal(endpoint)
    }
}

/// Turns faults that need no look at the exchange into what happens on the way.
pub(super) fn disturbance(faults: &[FaultKind]) -> Disturbance {
    let mut disturbance = Disturbance::default();
    for fault in faults {
        match fault {
            FaultKind::Delay(seconds) => disturbance.delay = *seconds,
            FaultKind::SlowBody(seconds) => disturbance.pause = *seconds,
            FaultKind::Reset => disturbance.reset = true,
            _ => {}
        }
    }
    disturbance
}

/// `wrong_iss`, `wrong-iss` and `Wrong iss` are one.
pub(super) fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', ' '], "-")
}

fn kind(name: &str, seconds: Option<i64>) -> Option<FaultKind> {
    let pause = || seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(30);
    let name = normal(name);
    if let Ok(status) = name.strip_prefix("http-").unwrap_or(&name).parse() {
        return (400..600)
            .contains(&status)
            .then_some(FaultKind::Status(status));
    }
    Some(match name.as_str() {
        "clock-offset" | "clock" => FaultKind::ClockOffset(seconds.unwrap_or(3600)),
        "delay" => FaultKind::Delay(pause()),
        "slow-body" => FaultKind::SlowBody(pause()),
        "reset" | "connection-reset" => FaultKind::Reset,
        "fail" | "fail-200" => FaultKind::Fail(200),
        "fail-400" => FaultKind::Fail(400),
        "fail-401" => FaultKind::Fail(401),
        "not-json" => FaultKind::NotJson,
        "long-body" => FaultKind::LongBody,
        "extra-member" => FaultKind::ExtraMember,
        "foreign-ca" => FaultKind::ForeignCa,
        other => FaultKind::Token(token_fault(other)?),
    })
}

fn token_fault(name: &str) -> Option<TokenFault> {
    Some(match name {
        "wrong-iss" | "wrong-issuer" => TokenFault::WrongIssuer,
        "wrong-aud" | "wrong-audience" => TokenFault::WrongAudience,
        "wrong-nonce" => TokenFault::WrongNonce,
        "missing-nonce" => TokenFault::MissingNonce,
        "expired" | "expired-token" => TokenFault::Expired,
        "hs256" | "hs256-token" => TokenFault::Hs256,
        "hs384" => TokenFault::Hs384,
        "rs256" => TokenFault::Rs256,
        "alg-none" => TokenFault::AlgNone,
        "wrong-key" => TokenFault::WrongKey,
        "other-user" | "other-username" => TokenFault::OtherUser,
        "other-case" => TokenFault::OtherCase,
        "signed-deny" => TokenFault::SignedDeny,
        "missing-auth-result" => TokenFault::MissingAuthResult,
        "old-auth-time" => TokenFault::OldAuthTime,
        "not-a-jwt" => TokenFault::NotAJwt,
        "no-id-token" => TokenFault::NoIdToken,
        "wrong-token-type" => TokenFault::WrongTokenType,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(list: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for json in list {
            faults.add(serde_json::from_str(json).unwrap()).unwrap();
        }
        faults
    }

    #[test]
    fn a_fault_counts_down_and_one_without_times_stays() {
        let mut faults = faults(&[
            r#"{"endpoint":"token","kind":"expired","times":2}"#,
            r#"{"endpoint":"/oauth/v1/health_check","kind":"503"}"#,
        ]);
        let expired = vec![FaultKind::Token(TokenFault::Expired)];
        assert_eq!(faults.take("token"), expired);
        assert_eq!(faults.take("token"), expired);
        assert_eq!(faults.take("token"), vec![]);
        for _ in 0..3 {
            assert_eq!(faults.take("health_check"), vec![FaultKind::Status(503)]);
        }
    }

    #[test]
    fn the_foreign_certificate_is_a_matter_of_handshakes_alone() {
        let mut faults = faults(&[r#"{"kind":"foreign-ca","times":1}"#, r#"{"kind":"reset"}"#]);
        assert_eq!(faults.take("token"), vec![FaultKind::Reset]);
        assert_eq!(faults.take("tls"), vec![FaultKind::ForeignCa]);
        assert_eq!(faults.take("tls"), vec![]);
    }

    #[test]
    fn names_may_be_spelled_either_way_and_unknown_ones_are_refused() {
        assert_eq!(kind("HTTP_500", None), Some(FaultKind::Status(500)));
        assert_eq!(kind("429", None), Some(FaultKind::Status(429)));
        assert_eq!(
            kind("clock_offset", Some(-90)),
            Some(FaultKind::ClockOffset(-90))
        );
        assert_eq!(
            kind("signed_deny", None),
            Some(FaultKind::Token(TokenFault::SignedDeny))
        );
        assert_eq!(kind("200", None), None);
        let unknown = serde_json::from_str(r#"{"kind":"gremlins"}"#).unwrap();
        assert!(Faults::default().add(unknown).is_err());
    }
}
