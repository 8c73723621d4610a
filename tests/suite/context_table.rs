//! The meaning of RequestedAuthnContext, row by row (SAML core 3.3.2.2.1): what the user is asked
//! and what the relying party is told.

use crate::harness::browser::{ALICE, Arrival, Browser, Prompt};
use crate::harness::duo::Duo as Simulator;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{AuthnRequest, MFA, PPT, RelyingParty, Response};
use Ends::{Class, Refused};
use Prompt::{Duo, Password};
use Session::{Mfa, Nothing, PasswordOnly};
use serde_json::json;
use std::fmt::Write as _;

const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
const MICROSOFT_MFA: &str = "http://schemas.microsoft.com/claims/multipleauthn";
const SFA: &str = "https://refeds.org/profile/sfa";
const PHISHING_RESISTANT: &str = "https://refeds.org/profile/phishing-resistant-mfa";
const UNKNOWN: &str = "https://example.org/classes/never-heard-of";

/// What the browser has done before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Session {
    Nothing,
    PasswordOnly,
    Mfa,
}

/// What the relying party is told.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Class(&'static str),
    Refused(&'static str),
}

struct Row {
    id: &'static str,
    /// Whether the policy wants Duo for this relying party.
    rule: bool,
    session: Session,
    asks: fn(AuthnRequest) -> AuthnRequest,
    prompts: &'static [Prompt],
    ends: Ends,
}

const fn row(
    id: &'static str,
    (rule, session): (bool, Session),
    asks: fn(AuthnRequest) -> AuthnRequest,
    prompts: &'static [Prompt],
    ends: Ends,
) -> Row {
    Row {
        id,
        rule,
        session,
        asks,
        prompts,
        ends,
    }
}

const BOTH: &[Prompt] = &[Password, Duo];
const NONE: &[Prompt] = &[];

const TABLE: &[Row] = &[
    row("R1", (true, Nothing), |r| r, BOTH, Class(MFA)),
    row(
        "R2",
        (false, Nothing),
        |r| r.asking("exact", &[MFA]),
        BOTH,
        Class(MFA),
    ),
    row(
        "R4",
        (false, Mfa),
        |r| r.asking("exact", &[PPT]),
        NONE,
        Class(PPT),
    ),
    row(
        "R5",
        (true, Nothing),
        |r| r.asking("exact", &[PPT]),
        BOTH,
        Class(PPT),
    ),
    row(
        "R7",
        (false, Nothing),
        |r| r.asking("exact", &[UNSPECIFIED]),
        &[Password],
        Class(PPT),
    ),
    row(
        "R7 by rule",
        (true, Nothing),
        |r| r.asking("exact", &[UNSPECIFIED]),
        BOTH,
        Class(MFA),
    ),
    row(
        "R8",
        (false, Nothing),
        |r| r.asking("exact", &[UNSPECIFIED, MFA]),
        BOTH,
        Class(MFA),
    ),
    row(
        "R9",
        (false, Mfa),
        |r| r.asking("minimum", &[PPT]),
        NONE,
        Class(PPT),
    ),
    row(
        "R9 alone",
        (false, Nothing),
        |r| r.asking("minimum", &[PPT]),
        &[Password],
        Class(PPT),
    ),
    row(
        "R10 without PR-MFA",
        (false, Mfa),
        |r| r.asking("minimum", &[MFA]),
        NONE,
        Class(MFA),
    ),
    row(
        "R11",
        (false, Nothing),
        |r| r.asking("better", &[PPT]),
        BOTH,
        Class(MFA),
    ),
    row(
        "R12",
        (false, Nothing),
        |r| r.asking("better", &[MFA]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R13",
        (true, Nothing),
        |r| r.asking("maximum", &[PPT]),
        BOTH,
        Class(PPT),
    ),
    row(
        "R14",
        (true, Nothing),
        |r| r.asking("maximum", &[MFA]),
        BOTH,
        Class(MFA),
    ),
    row(
        "R15",
        (false, Nothing),
        with_declaration,
        NONE,
        Refused("RequestUnsupported"),
    ),
    row(
        "R16",
        (false, Nothing),
        |r| r.asking("exact", &[UNKNOWN]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R16 by rule",
        (true, Nothing),
        |r| r.asking("exact", &[UNKNOWN]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R16 with a session",
        (false, Mfa),
        |r| r.asking("exact", &[UNKNOWN]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R17 slash",
        (false, Mfa),
        |r| r.asking("exact", &["https://refeds.org/profile/mfa/"]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R17 case",
        (false, Mfa),
        |r| r.asking("exact", &["https://REFEDS.org/profile/mfa"]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R17 escape",
        (false, Mfa),
        |r| r.asking("exact", &["https://refeds.org/profile%2Fmfa"]),
        NONE,
        Refused("NoAuthnContext"),
    ),
    row(
        "R18 many",
        (false, Nothing),
        |r| r.asking("exact", &[MFA; 21]),
        NONE,
        Refused("RequestUnsupported"),
    ),
    row(
        "R19",
        (false, Mfa),
        |r| r.asking("exact", &[MFA]).with("ForceAuthn", "true"),
        BOTH,
        Class(MFA),
    ),
    row(
        "R20",
        (false, Mfa),
        |r| r.asking("exact", &[MFA]).with("IsPassive", "1"),
        NONE,
        Class(MFA),
    ),
    row(
        "R20 weak",
        (false, PasswordOnly),
        |r| r.asking("exact", &[MFA]).with("IsPassive", "1"),
        NONE,
        Refused("NoPassive"),
    ),
    row(
        "R21",
        (false, Mfa),
        |r| r.with("IsPassive", "true").with("ForceAuthn", "true"),
        NONE,
        Refused("NoPassive"),
    ),
    row(
        "step up",
        (false, PasswordOnly),
        |r| r.asking("exact", &[MFA]),
        &[Duo],
        Class(MFA),
    ),
];

fn with_declaration(mut request: AuthnRequest) -> AuthnRequest {
    let _ = write!(
        request.body,
        "<p:RequestedAuthnContext><a:AuthnContextClassRef>{PPT}</a:AuthnContextClassRef>\
         <a:AuthnContextDeclRef>{PPT}</a:AuthnContextDeclRef></p:RequestedAuthnContext>"
    );
    request
}

#[test]
fn every_row_of_the_table_asks_and_answers_as_it_says() {
    let lenient = RelyingParty::new("lenient");
    let strict = RelyingParty::new("strict");
    let deployment = deployed(&lenient, &strict, &[]);
    let mut wrong = Vec::new();
    for row in TABLE {
        let mut browser = Browser::that_keeps_the_response();
        if row.session != Nothing {
            let class = if row.session == Mfa { MFA } else { PPT };
            let url = lenient.request_exactly(class).url(&deployment.base_url);
            assert_eq!(
                Response::of(&browser.log_in(&url, ALICE)).class(),
                class,
                "before {}",
                row.id
            );
        }
        let party = if row.rule { &strict } else { &lenient };
        let request = (row.asks)(party.request());
        let arrival = browser.log_in(&request.url(&deployment.base_url), ALICE);
        let told = told(&arrival);
        let matches = match row.ends {
            Class(class) => told == Ok(class.to_owned()),
            Refused(code) => told
                .as_ref()
                .is_err_and(|codes| codes.last().is_some_and(|last| last == code)),
        };
        if arrival.prompts != row.prompts || !matches {
            let Row {
                id, prompts, ends, ..
            } = row;
            let asked = &arrival.prompts;
            wrong.push(format!(
                "{id}: expected {prompts:?} and {ends:?}, saw {asked:?} and {told:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The class, or the status codes; a page of our own counts as a code too.
fn told(arrival: &Arrival) -> Result<String, Vec<String>> {
    let Some(response) = Response::on(&arrival.page) else {
        return Err(vec![format!("page {}", arrival.page.response.status)]);
    };
    if response.is_success() {
        Ok(response.class())
    } else {
        Err(response.status())
    }
}

fn deployed(
    lenient: &RelyingParty,
    strict: &RelyingParty,
    properties: &[(&str, &str)],
) -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.trust("lenient", &lenient.metadata());
    deployment.trust("strict", &strict.metadata());
    deployment.home.require_mfa(&strict.entity_id);
    for (key, value) in properties {
        deployment.home.set(key, value);
    }
    deployment.serve();
    deployment
}

#[test]
fn r18_a_class_of_ten_kilobytes_is_refused_before_anything_is_asked() {
    let party = RelyingParty::new("long");
    let deployment = deployed(&party, &RelyingParty::new("strict"), &[]);
    let long = format!("https://example.org/{}", "x".repeat(10 * 1024));
    let arrival = Browser::that_keeps_the_response().log_in(
        &party.request_exactly(&long).url(&deployment.base_url),
        ALICE,
    );
    assert_eq!(arrival.prompts, []);
    assert!(told(&arrival).is_err());
}

#[test]
fn r19_a_device_that_duo_remembers_does_not_satisfy_force_authn() {
    let party = RelyingParty::new("forced");
    let deployment = deployed(&party, &RelyingParty::new("strict"), &[]);
    deployment.duo.outcome(&json!({
        "username": "*", "result": "allow", "status": "allow",
        "factor": "duo_push", "reason": "remembered_device",
    }));
    let request = party.request_exactly(MFA).with("ForceAuthn", "true");
    let arrival =
        Browser::that_keeps_the_response().log_in(&request.url(&deployment.base_url), ALICE);
    assert!(told(&arrival).is_err(), "{}", arrival.page.body());
}

#[test]
fn r23_and_without_a_rule_to_open_a_login_ends_when_duo_is_down() {
    let party = RelyingParty::new("down");
    let deployment = deployed(&party, &RelyingParty::new("strict"), &[]);
    deployment.duo.fault("health_check", "503", 1000);
    let url = party.request_exactly(MFA).url(&deployment.base_url);
    let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert!(told(&arrival).is_err());
}

#[test]
fn r24_r25_a_rule_that_opens_when_duo_is_down_never_claims_mfa() {
    let (lenient, strict) = (RelyingParty::new("lenient"), RelyingParty::new("strict"));
    let open = [(
        "idp.authn.MFA.transition.DuoOIDC.AuthenticationException",
        "end",
    )];
    let deployment = deployed(&lenient, &strict, &open);
    deployment.duo.fault("health_check", "503", 1000);
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(
        &lenient.request_exactly(MFA).url(&deployment.base_url),
        ALICE,
    );
    assert_eq!(
        told(&arrival).unwrap_err().last().unwrap(),
        "NoAuthnContext"
    );
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&strict.request().url(&deployment.base_url), ALICE);
    assert_eq!(told(&arrival), Ok(PPT.to_owned()));
}

#[test]
fn r26_a_bypassed_user_gets_no_mfa_class() {
    let party = RelyingParty::new("bypassed");
    let deployment = deployed(&party, &RelyingParty::new("strict"), &[]);
    deployment.duo.outcome(&json!({
        "username": "*", "result": "allow", "status": "allow",
        "factor": "not_available", "reason": "bypass_user",
    }));
    let url = party.request_exactly(MFA).url(&deployment.base_url);
    let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
    assert_eq!(
        told(&arrival).unwrap_err().last().unwrap(),
        "NoAuthnContext"
    );
}

#[test]
fn r27_microsofts_class_is_answered_alone_where_duo_may_claim_it() {
    let party = RelyingParty::new("entra");
    let classes = format!("saml2/{MFA}, saml2/{MICROSOFT_MFA}");
    let deployment = deployed(
        &party,
        &RelyingParty::new("strict"),
        &[("idp.authn.DuoOIDC.supportedPrincipals", &classes)],
    );
    let url = party
        .request_exactly(MICROSOFT_MFA)
        .url(&deployment.base_url);
    let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    assert_eq!(told(&arrival), Ok(MICROSOFT_MFA.to_owned()));
}

/// Asks for Duo only where Duo says that the user can be asked.
const ONLY_THE_ENROLLED: &str = "if mfa.is_acceptable() { return }
if duo.preauth == \"enroll\" { fail(\"RequestUnsupported\") }
\"authn/DuoOIDC\"
";

/// A relying party at a home where alice has no way to pass Duo, and Duo's preauth says so.
fn where_alice_cannot_enrol(properties: &[(&str, &str)]) -> (Deployment, RelyingParty) {
    let party = RelyingParty::new("unenrolled");
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    let [key, secret] = Simulator::AUTH_API;
    let home = &deployment.home;
    home.set("idp.duo.oidc.nonbrowser.integrationKey", key);
    home.append(
        "credentials/secrets.properties",
        &format!("\nidp.duo.oidc.nonbrowser.secretKey = {secret}\n"),
    );
    for (key, value) in properties {
        home.set(key, value);
    }
    home.write("scripts/mfa/second-factor.rhai", ONLY_THE_ENROLLED);
    let cases = "[[case]]
name = \"nobody is sent to Duo who has nothing there\"
duo.preauth = \"enroll\"
expect.next = \"fail:RequestUnsupported\"
";
    home.write("scripts/mfa/second-factor.tests.toml", cases);
    deployment.serve();
    let unenrolled = json!({ "username": "alice", "is_enrolled": false });
    deployment.duo.user(&unenrolled);
    (deployment, party)
}

#[test]
fn r3_a_user_who_cannot_pass_duo_is_not_sent_there() {
    let (deployment, party) = where_alice_cannot_enrol(&[]);
    let url = party.request_exactly(MFA).url(&deployment.base_url);
    let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(
        told(&arrival).unwrap_err().last().unwrap(),
        "NoAuthnContext"
    );
}

#[test]
fn r6_the_rule_says_whether_a_later_class_will_do() {
    let password = format!("saml2/{PPT}, saml2/{SFA}");
    for (rule, prompts, ends) in [
        ("next", &[Password][..], Ok(SFA)),
        ("fail", &[Password][..], Err("NoAuthnContext")),
    ] {
        let (deployment, party) = where_alice_cannot_enrol(&[
            ("idp.authn.Password.supportedPrincipals", &password),
            ("vestibule.authn.onFirstUnavailable", rule),
        ]);
        let request = party.request().asking("exact", &[MFA, SFA]);
        let url = request.url(&deployment.base_url);
        let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
        assert_eq!(arrival.prompts, prompts, "{rule}");
        let told = told(&arrival).map_err(|codes| codes.last().unwrap().clone());
        assert_eq!(
            told,
            ends.map(str::to_owned).map_err(str::to_owned),
            "{rule}"
        );
    }
}

#[test]
fn r8_unspecified_counts_where_the_operator_does_not_ignore_it() {
    let party = RelyingParty::new("unspecified");
    let password = format!("saml2/{PPT}, saml2/{UNSPECIFIED}");
    let counts = [
        ("vestibule.authn.ignoredContexts", UNKNOWN),
        ("idp.authn.Password.supportedPrincipals", &password),
    ];
    let deployment = deployed(&party, &RelyingParty::new("strict"), &counts);
    let request = party.request().asking("exact", &[UNSPECIFIED, MFA]);
    let url = request.url(&deployment.base_url);
    let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(told(&arrival), Ok(UNSPECIFIED.to_owned()));
}

#[test]
fn r10_r14_a_security_key_satisfies_minimum_mfa_and_is_not_told_above_a_maximum() {
    let party = RelyingParty::new("resistant");
    let classes = format!("saml2/{MFA}, saml2/{PHISHING_RESISTANT}");
    let mapped = [
        ("idp.authn.DuoOIDC.supportedPrincipals", classes.as_str()),
        ("vestibule.duo.principalStrategy", "script:duo/principals"),
    ];
    let deployment = deployed(&RelyingParty::new("lenient"), &party, &mapped);
    deployment.duo.outcome(&json!({
        "username": "*", "result": "allow", "status": "allow",
        "factor": "webauthn_security_key", "reason": "user_approved",
    }));
    for (comparison, class, told_class) in [
        ("exact", PHISHING_RESISTANT, PHISHING_RESISTANT),
        ("minimum", MFA, MFA),
        ("better", MFA, PHISHING_RESISTANT),
        ("maximum", MFA, MFA),
    ] {
        let request = party.request().asking(comparison, &[class]);
        let url = request.url(&deployment.base_url);
        let arrival = Browser::that_keeps_the_response().log_in(&url, ALICE);
        assert_eq!(told(&arrival), Ok(told_class.to_owned()), "{comparison}");
    }
}

#[test]
fn r22_a_second_factor_past_its_lifetime_is_asked_for_alone() {
    let party = RelyingParty::new("aged");
    // Any second login comes later than this.
    let short = [("idp.authn.DuoOIDC.lifetime", "PT0.001S")];
    let deployment = deployed(&party, &RelyingParty::new("strict"), &short);
    let mut browser = Browser::that_keeps_the_response();
    for prompts in [BOTH, &[Duo]] {
        let url = party.request_exactly(MFA).url(&deployment.base_url);
        let arrival = browser.log_in(&url, ALICE);
        assert_eq!(arrival.prompts, prompts);
        assert_eq!(told(&arrival), Ok(MFA.to_owned()));
    }
}
