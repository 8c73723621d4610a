use super::*;
use crate::authn::login::DuoRecord;
use crate::saml::request::LocalRefusal;
use jiff::Timestamp;

fn exchange() -> Exchange<'static> {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    Exchange {
        transaction: "t-1",
        client: Some("192.0.2.7".parse().unwrap()),
        user_agent: "Agent/1.0\r\nforged|line",
        started: at("2026-11-23T10:00:00Z"),
        now: at("2026-11-23T10:00:07.25Z"),
        issuer: "https://idp.example.org/idp",
        session: None,
        shorten_bindings: true,
    }
}

#[test]
fn the_default_formats_fill_every_field_they_name() {
    let settings = AuditSettings::default();
    let formats = [Some(settings.sso), settings.duo, settings.password];
    for format in formats.iter().flatten() {
        assert_eq!(format.unfilled().count(), 0);
    }
}

#[test]
fn a_duo_line_before_the_redirect_leaves_what_duo_will_say_empty() {
    let record = DuoRecord {
        username: "jdoe".into(),
        redirect_uri: "https://idp.example.org/cb".into(),
        client_id: "DIXXXX".into(),
        request_state: "s1".into(),
        ..DuoRecord::default()
    };
    let format = Format::parse(DUO_FORMAT).unwrap();
    assert_eq!(
        format.line(&duo(&exchange(), "https://sp.example.org", &record)),
        "authn/DuoOIDC|192.0.2.7|2026-11-23T10:00:07.250Z|jdoe|https://idp.example.org/cb|DIXXXX|s1|||||||t-1"
    );
}

#[test]
fn s61_a_hostile_device_name_and_agent_stay_in_their_fields() {
    let hostile = "phone\n2026|forged,\u{1b}[31m\\";
    let record = DuoRecord {
        device_name: hostile.into(),
        reason: "user_approved".into(),
        ..DuoRecord::default()
    };
    let format = Format::parse("%DuoDN|%DuoR|%UA").unwrap();
    let line = format.line(&duo(&exchange(), "", &record));
    assert_eq!(line.matches('|').count(), 2);
    assert!(!line.contains(char::is_control));
    let read = format.read(&line).unwrap();
    assert_eq!(read[&Label::DuoDeviceName], [hostile]);
    assert_eq!(read[&Label::UserAgent], [exchange().user_agent]);
}

#[test]
fn a_refusal_on_our_own_page_is_one_line_with_the_claimed_issuer() {
    let refusal = LocalRefusal {
        event: "MessageAuthenticationError",
        reason: "signature does not verify",
        claimed_issuer: Some("https://evil.example|x".into()),
    };
    let format = AuditSettings::default().sso;
    let exchange = exchange();
    let line = format.line(&sso_local(&exchange, &refusal, None));
    let read = format.read(&line).unwrap();
    assert_eq!(read[&Label::RelyingParty], ["https://evil.example|x"]);
    assert_eq!(read[&Label::Event], ["MessageAuthenticationError"]);
    assert_eq!(read[&Label::Transaction], ["t-1"]);
    assert!(!read.contains_key(&Label::Status));
}
