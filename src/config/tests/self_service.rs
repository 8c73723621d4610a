//! Users' own second factors, and the looks of the page before Duo.

use super::*;
use crate::authn::self_service::FirstEnrolment;

const AUTH_API: &str = "\
idp.duo.oidc.nonbrowser.integrationKey = DIXXXXXXXXXXXXXXXXXX
idp.duo.oidc.nonbrowser.secretKey = abcdefghijklmnopqrstuvwxyz0123456789ABCD
";

#[test]
fn self_service_is_off_and_carefully_on() {
    assert!(settings(DUO).0.enrolment.self_service.is_none());
    let on = format!("{DUO}{AUTH_API}vestibule.duo.selfService.enabled = true\n");
    let rules = settings(&on).0.enrolment.self_service.unwrap();
    assert_eq!(rules.first, FirstEnrolment::Never);
    assert_eq!(rules.freshness.as_secs(), 600);
}

#[test]
fn self_service_needs_the_auth_api_and_a_rule_for_the_name() {
    let on = "vestibule.duo.selfService.enabled = true\n";
    let missing = error(&format!("{DUO}{on}"));
    assert!(
        missing.fix.contains("nonbrowser.integrationKey"),
        "{missing}"
    );
    let script = "vestibule.duo.usernameStrategy = script:mfa/second-factor\n";
    let undecided = errors(&format!("{DUO}{AUTH_API}{on}{script}"));
    let keys: Vec<&str> = undecided.iter().map(|error| error.key.as_str()).collect();
    assert!(
        keys.contains(&"vestibule.duo.selfService.enabled"),
        "{keys:?}"
    );
}

#[test]
fn a_style_sheet_is_css_and_not_endless() {
    let styled = |sheet: &str| {
        check(&home(&[
            ("conf/idp.properties", IDENTITY),
            ("conf/authn/mfa.properties", MFA),
            ("conf/authn/duo-oidc.properties", DUO),
            (
                "conf/x.properties",
                "vestibule.duo.style = conf/campus.css\n",
            ),
            ("conf/campus.css", sheet),
        ]))
    };
    let sheet = "h1 { color: teal }\n@media (width < 30rem) { h1 { color: navy } }\n";
    let (settings, _) = styled(sheet).unwrap();
    assert_eq!(settings.ui.duo_styles["default"], sheet.as_bytes());
    let long = "h1 {}\n".repeat(20_000);
    for wrong in ["<html>", "a\0b", long.as_str()] {
        let errors = styled(wrong).map(|_| ()).unwrap_err();
        assert_eq!(errors[0].key, "vestibule.duo.style");
    }
}
