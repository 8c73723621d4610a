use super::*;
use crate::saml::name_id::TRANSIENT;

fn party(entity_id: &str, told: Told) -> Party {
    Party {
        entity_id: entity_id.to_owned(),
        name_id: NameId {
            value: "name".to_owned(),
            format: TRANSIENT.to_owned(),
            name_qualifier: None,
            sp_name_qualifier: None,
        },
        session_indexes: vec!["_index".to_owned()],
        by_browser: true,
        told,
    }
}

fn logout(told: &[Told]) -> Logout {
    let begun = Begun {
        transaction: "t".to_owned(),
        started: Timestamp::UNIX_EPOCH,
        client: None,
        user_agent: String::new(),
        request: None,
    };
    let parties = told.iter().enumerate();
    Logout {
        parties: parties
            .map(|(place, told)| party(&format!("sp{place}"), *told))
            .collect(),
        ..Logout::without_end(begun, Fate::Ended)
    }
}

#[test]
fn sdp_idp31_everywhere_is_said_only_when_everybody_said_so() {
    assert_eq!(logout(&[]).ended(), Ended::All);
    assert_eq!(logout(&[Told::Ended, Told::Ended]).ended(), Ended::All);
    for told in [
        Told::NotYet,
        Told::Asked,
        Told::Partial,
        Told::NotEnded,
        Told::Silent,
        Told::Unreachable,
    ] {
        assert_eq!(logout(&[Told::Ended, told]).ended(), Ended::Partial);
    }
    let mut forgetful = logout(&[Told::Ended]);
    forgetful.forgotten = true;
    assert_eq!(forgetful.ended(), Ended::Partial);
}

#[test]
fn sdp_idp31_what_did_not_end_is_no_success() {
    let fate = |fate| Logout::without_end(logout(&[]).begun, fate).ended();
    assert_eq!(fate(Fate::Unknown), Ended::NoSession);
    assert_eq!(fate(Fate::AnotherBrowsers), Ended::NoSession);
    assert_eq!(fate(Fate::Kept), Ended::Failed);
}

#[test]
fn s50_an_answer_counts_for_the_one_that_was_asked_and_once() {
    let mut logout = logout(&[Told::Asked, Told::NotYet, Told::Silent]);
    assert!(!logout.answered(0, "sp1", Outcome::Ended), "another sender");
    assert!(!logout.answered(1, "sp1", Outcome::Ended), "never asked");
    assert!(!logout.answered(7, "sp0", Outcome::Ended), "no such place");
    assert!(logout.answered(0, "sp0", Outcome::Failed));
    assert!(!logout.answered(0, "sp0", Outcome::Ended), "answered");
    assert!(logout.answered(2, "sp2", Outcome::Ended), "late");
    let told: Vec<Told> = logout.parties.iter().map(|party| party.told).collect();
    assert_eq!(told, [Told::NotEnded, Told::NotYet, Told::Ended]);
}

#[test]
fn who_does_not_send_the_user_back_holds_nobody_up() {
    let mut logout = logout(&[Told::Ended, Told::Asked, Told::NotYet]);
    assert!(logout.waits());
    logout.give_up();
    assert!(!logout.waits());
    assert_eq!(logout.parties[1].told, Told::Silent);
    assert_eq!(logout.next(), Some(2));
}

#[test]
fn an_answer_leads_back_by_the_id_it_repeats() {
    let id = message_id("0123456789abcdef0123456789abcdef", 12);
    assert_eq!(
        place_of(&id),
        Some(("0123456789abcdef0123456789abcdef", 12))
    );
    for other in ["", "_", "_x", "_0123-", "0123-1", "_0123--1"] {
        assert_eq!(place_of(other), None, "{other}");
    }
}
