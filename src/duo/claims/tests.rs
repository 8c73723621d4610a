use super::*;
use crate::duo::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::json;

const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
const NONCE: &str = "a-nonce-of-this-login-0123456789";

fn integration() -> Integration {
    Integration::new(
        "default",
        "api.example.org",
        "DITESTTESTTESTTEST01",
        Secret::new(SECRET),
    )
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> i64 {
    now().as_second() + seconds
}

fn good() -> Value {
    json!({
        "iss": "https://api.example.org/oauth/v1/token",
        "sub": "alice",
        "aud": "DITESTTESTTESTTEST01",
        "exp": after(3600),
        "iat": after(0),
        "auth_time": after(-1),
        "preferred_username": "alice",
        "nonce": NONCE,
        "auth_result": {"result": "allow", "status": "allow", "status_msg": "Login Successful"},
        "auth_context": {
            "txid": "45f7c92b-f45f-4862-8545-e0f58e78075a",
            "factor": "duo_push",
            "reason": "user_approved",
            "auth_device": {"name": "iPhone", "key": "DPTESTTESTTESTTEST01"},
        },
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn at(pointer: &str, value: Value) -> Value {
    let mut claims = good();
    *claims.pointer_mut(pointer).unwrap() = value;
    claims
}

fn hs512(claims: &Value) -> String {
    jwt::sign(claims, &Secret::new(SECRET)).unwrap()
}

/// A token as an attacker or a careless service would make it: any header, any digest and key.
fn token(header: &Value, digest: MessageDigest, key: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(good().to_string())
    );
    let key = PKey::hmac(key.as_bytes()).unwrap();
    let mac = Signer::new(digest, &key)
        .unwrap()
        .sign_oneshot_to_vec(message.as_bytes())
        .unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn judge(token: &str, forced: bool) -> Result<VerifiedClaims, ClaimError> {
    let integration = integration();
    let expected = Expected {
        integration: &integration,
        username: "alice",
        nonce: NONCE,
        forced,
    };
    verify(token, &expected, now())
}

fn judged(claims: &Value) -> Result<(), ClaimError> {
    judge(&hs512(claims), false).map(|_| ())
}

/// (name, token, the error it must meet).
fn bad_tokens() -> Vec<(&'static str, String, ClaimError)> {
    let mut table = bad_envelopes();
    table.extend(
        bad_claims()
            .into_iter()
            .map(|(name, claims, error)| (name, hs512(&claims), error)),
    );
    table
}

fn bad_envelopes() -> Vec<(&'static str, String, ClaimError)> {
    use ClaimError::{Algorithm, Malformed, Signature};
    let sha512 = MessageDigest::sha512();
    let header = json!({"alg": "HS512", "typ": "JWT"});
    let unsigned = {
        let full = token(&json!({"alg": "none"}), sha512, SECRET);
        let (message, _) = full.rsplit_once('.').unwrap();
        format!("{message}.")
    };
    let changed = hs512(&good()).replacen('.', ".e", 1);
    vec![
        ("empty", String::new(), Malformed),
        ("one part", "abc".to_owned(), Malformed),
        ("alg none without signature", unsigned, Algorithm),
        (
            "alg none with a right mac",
            token(&json!({"alg": "none"}), sha512, SECRET),
            Algorithm,
        ),
        (
            "HS256 with the right key",
            token(&json!({"alg": "HS256"}), MessageDigest::sha256(), SECRET),
            Algorithm,
        ),
        (
            "HS384 with the right key",
            token(&json!({"alg": "HS384"}), MessageDigest::sha384(), SECRET),
            Algorithm,
        ),
        (
            "a header without alg",
            token(&json!({"typ": "JWT"}), sha512, SECRET),
            Malformed,
        ),
        (
            "another key",
            token(&header, sha512, "9999999999abcdefghijABCDEFGHIJ0123456789"),
            Signature,
        ),
        (
            "HS512 said, SHA-256 done",
            token(&header, MessageDigest::sha256(), SECRET),
            Signature,
        ),
        ("a changed payload", changed, Signature),
    ]
}

fn bad_claims() -> BadClaims {
    let mut table = bad_issuers_and_times();
    table.extend(bad_subjects());
    table.extend(bad_results());
    table
}

type BadClaims = Vec<(&'static str, Value, ClaimError)>;

fn bad_issuers_and_times() -> BadClaims {
    use ClaimError::{Audience, Expired, IssuedAt, Issuer, MissingClaim, NotYetValid};
    let port = "https://api.example.org:443/oauth/v1/token";
    vec![
        ("no iss", without("iss"), MissingClaim(ClaimName::Iss)),
        (
            "bare host as iss",
            with("iss", json!("https://api.example.org")),
            Issuer,
        ),
        (
            "iss with an explicit port",
            with("iss", json!(port)),
            Issuer,
        ),
        ("no aud", without("aud"), MissingClaim(ClaimName::Aud)),
        (
            "another aud",
            with("aud", json!("DIOTHEROTHEROTHER001")),
            Audience,
        ),
        (
            "two audiences",
            with("aud", json!(["DITESTTESTTESTTEST01", "x"])),
            Audience,
        ),
        ("no exp", without("exp"), MissingClaim(ClaimName::Exp)),
        (
            "exp as text",
            with("exp", json!(after(60).to_string())),
            MissingClaim(ClaimName::Exp),
        ),
        ("expired 65 s ago", with("exp", json!(after(-65))), Expired),
        ("no iat", without("iat"), MissingClaim(ClaimName::Iat)),
        ("iat 65 s ahead", with("iat", json!(after(65))), IssuedAt),
        ("iat 65 s ago", with("iat", json!(after(-65))), IssuedAt),
        ("nbf 65 s ahead", with("nbf", json!(after(65))), NotYetValid),
    ]
}

fn bad_subjects() -> BadClaims {
    use ClaimError::{MissingClaim, Nonce, Username};
    vec![
        ("no nonce", without("nonce"), MissingClaim(ClaimName::Nonce)),
        (
            "another nonce",
            with("nonce", json!("a-nonce-of-another-login-012345")),
            Nonce,
        ),
        ("no sub", without("sub"), MissingClaim(ClaimName::Sub)),
        (
            "no user",
            without("preferred_username"),
            MissingClaim(ClaimName::PreferredUsername),
        ),
        (
            "another user",
            with("preferred_username", json!("bob")),
            Username,
        ),
        (
            "another case",
            with("preferred_username", json!("Alice")),
            Username,
        ),
        (
            "a look-alike",
            with("preferred_username", json!("\u{430}lice")),
            Username,
        ),
        (
            "a trailing blank",
            with("preferred_username", json!("alice ")),
            Username,
        ),
    ]
}

fn bad_results() -> BadClaims {
    use ClaimError::{AuthTime, MissingClaim, NotAllowed};
    vec![
        (
            "no auth_time",
            without("auth_time"),
            MissingClaim(ClaimName::AuthTime),
        ),
        (
            "auth_time 65 s ahead",
            with("auth_time", json!(after(65))),
            AuthTime,
        ),
        (
            "no auth_result",
            without("auth_result"),
            MissingClaim(ClaimName::AuthResult),
        ),
        (
            "a signed deny",
            at("/auth_result/result", json!("deny")),
            NotAllowed,
        ),
        (
            "status deny",
            at("/auth_result/status", json!("deny")),
            NotAllowed,
        ),
        (
            "ALLOW",
            at("/auth_result/result", json!("ALLOW")),
            NotAllowed,
        ),
        (
            "result true",
            at("/auth_result/result", json!(true)),
            MissingClaim(ClaimName::AuthResult),
        ),
        (
            "no auth_context",
            without("auth_context"),
            MissingClaim(ClaimName::AuthContext),
        ),
        (
            "no txid",
            at("/auth_context/txid", Value::Null),
            MissingClaim(ClaimName::AuthContext),
        ),
    ]
}

#[test]
fn a_good_token_gives_its_claims() {
    let claims = judge(&hs512(&good()), true).unwrap();
    assert_eq!(claims.username, "alice");
    assert_eq!(claims.txid, "45f7c92b-f45f-4862-8545-e0f58e78075a");
    assert_eq!(claims.factor, "duo_push");
    assert_eq!(claims.reason, "user_approved");
    assert_eq!(claims.device_id, "DPTESTTESTTESTTEST01");
    assert_eq!(claims.device_name, "iPhone");
    assert_eq!(claims.auth_time.as_second(), after(-1));
    assert_eq!(claims.all, good());
}

#[test]
fn s40_every_bad_token_is_refused_for_its_own_reason() {
    let table = bad_tokens();
    assert!(table.len() >= 30);
    for (name, token, error) in table {
        assert_eq!(judge(&token, false).err(), Some(error), "{name}");
    }
}

#[test]
fn s40_the_leeway_is_sixty_seconds_and_not_more() {
    assert_eq!(judged(&with("exp", json!(after(-50)))), Ok(()));
    assert_eq!(judged(&with("exp", json!(after(-59)))), Ok(()));
    assert_eq!(
        judged(&with("exp", json!(after(-60)))),
        Err(ClaimError::Expired)
    );
    assert_eq!(judged(&with("iat", json!(after(60)))), Ok(()));
    assert_eq!(judged(&with("iat", json!(after(-60)))), Ok(()));
    assert_eq!(
        judged(&with("iat", json!(after(61)))),
        Err(ClaimError::IssuedAt)
    );
    assert_eq!(judged(&with("nbf", json!(after(60)))), Ok(()));
}

#[test]
fn times_may_carry_fractions_and_the_audience_may_be_an_array_of_one() {
    let mut claims = with("aud", json!(["DITESTTESTTESTTEST01"]));
    claims["exp"] = json!(f64::from(i32::try_from(after(3600)).unwrap()) + 0.5);
    assert_eq!(judged(&claims), Ok(()));
    claims["exp"] = json!(1e300);
    assert_eq!(
        judged(&claims),
        Err(ClaimError::MissingClaim(ClaimName::Exp))
    );
}

#[test]
fn a_forced_login_needs_a_fresh_auth_time() {
    let old = hs512(&with("auth_time", json!(after(-61))));
    assert!(judge(&old, false).is_ok());
    assert_eq!(judge(&old, true).err(), Some(ClaimError::AuthTime));
    let fresh = hs512(&with("auth_time", json!(after(-60))));
    assert!(judge(&fresh, true).is_ok());
}

#[test]
fn the_verifier_settings_are_obeyed() {
    let mut integration = integration();
    integration.verifier.issuer_path = "/other".to_owned();
    integration.verifier.preferred_username = "sub".to_owned();
    integration.verifier.clock_skew = std::time::Duration::from_secs(5);
    let expected = Expected {
        integration: &integration,
        username: "alice",
        nonce: NONCE,
        forced: false,
    };
    let mut claims = with("iss", json!("https://api.example.org/other"));
    claims["preferred_username"] = json!("ignored");
    assert!(verify(&hs512(&claims), &expected, now()).is_ok());
    claims["exp"] = json!(after(-6));
    assert_eq!(
        verify(&hs512(&claims), &expected, now()).err(),
        Some(ClaimError::Expired)
    );
}

#[test]
fn an_empty_user_never_matches() {
    let integration = integration();
    let expected = Expected {
        integration: &integration,
        username: "",
        nonce: NONCE,
        forced: false,
    };
    let token = hs512(&with("preferred_username", json!("")));
    assert_eq!(
        verify(&token, &expected, now()).err(),
        Some(ClaimError::Username)
    );
}
