use super::*;

const WEEK: Duration = Duration::from_hours(7 * 24);

fn at(days: i64) -> Step {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24);
    Step {
        now,
        propagation: WEEK,
        force: false,
    }
}

fn forced(days: i64) -> Step {
    Step {
        force: true,
        ..at(days)
    }
}

fn key(name: &str, state: KeyState) -> RingKey {
    let purpose = if name.starts_with("signing") {
        Purpose::Signing
    } else {
        Purpose::Encryption
    };
    RingKey {
        name: name.to_owned(),
        purpose,
        state,
        key: format!("credentials/{name}.key"),
        certificate: format!("credentials/{name}.crt"),
        staged: None,
        published: None,
        switched: None,
        retired: None,
    }
}

fn ring() -> KeyRing {
    use KeyState::{Active, Staged};
    let keys = [
        ("signing-1", Active),
        ("signing-2", Staged),
        ("encryption-1", Active),
        ("encryption-2", Staged),
    ];
    KeyRing {
        keys: keys.map(|(name, state)| key(name, state)).into(),
    }
}

fn aside() -> (String, String) {
    (
        "credentials/retired/x.key".to_owned(),
        "credentials/retired/x.crt".to_owned(),
    )
}

fn names(ring: &KeyRing, purpose: Purpose, which: fn(&RingKey) -> bool) -> Vec<&str> {
    ring.of(purpose)
        .filter(|key| which(key))
        .map(|key| key.name.as_str())
        .collect()
}

#[test]
fn a_signing_key_is_known_before_it_signs_and_the_old_one_stays_known_after() {
    let mut ring = ring();
    let signers = |ring: &KeyRing| names(ring, Purpose::Signing, RingKey::signs).join(" ");
    let published = |ring: &KeyRing| names(ring, Purpose::Signing, RingKey::is_published).join(" ");
    assert_eq!(
        (signers(&ring), published(&ring)),
        ("signing-1".into(), "signing-1".into())
    );
    ring.publish("signing-2", &at(0)).unwrap();
    assert_eq!(
        (signers(&ring), published(&ring)),
        ("signing-1".into(), "signing-1 signing-2".into())
    );
    ring.switch("signing-2", false, &at(7)).unwrap();
    assert_eq!(published(&ring), "signing-2 signing-1");
    assert_eq!(signers(&ring), "signing-2 signing-1");
    ring.retire("signing-1", aside(), &at(14)).unwrap();
    assert_eq!(
        (signers(&ring), published(&ring)),
        ("signing-2".into(), "signing-2".into())
    );
    assert_eq!(
        ring.fresh_name(Purpose::Signing),
        "signing-3",
        "names are never used again"
    );
}

#[test]
fn both_encryption_keys_decrypt_and_nobody_is_told_of_the_one_that_goes() {
    let mut ring = ring();
    let held = |ring: &KeyRing| names(ring, Purpose::Encryption, RingKey::is_held).join(" ");
    let published =
        |ring: &KeyRing| names(ring, Purpose::Encryption, RingKey::is_published).join(" ");
    assert_eq!(held(&ring), "encryption-1");
    ring.publish("encryption-2", &at(0)).unwrap();
    assert_eq!(
        (held(&ring), published(&ring)),
        (
            "encryption-1 encryption-2".into(),
            "encryption-1 encryption-2".into()
        )
    );
    ring.switch("encryption-2", false, &at(7)).unwrap();
    assert_eq!(
        (held(&ring), published(&ring)),
        ("encryption-2 encryption-1".into(), "encryption-2".into())
    );
    ring.retire("encryption-1", aside(), &at(14)).unwrap();
    assert_eq!(held(&ring), "encryption-2");
}

#[test]
fn steps_out_of_order_and_before_their_time_are_refused_unless_forced() {
    let mut ring = ring();
    let refused = |outcome: Result<(), Refusal>| outcome.unwrap_err().can_be_forced;
    assert!(refused(ring.switch("signing-2", false, &at(0))));
    ring.publish("signing-2", &at(0)).unwrap();
    assert!(!refused(ring.publish("signing-2", &forced(0))));
    assert!(refused(ring.switch("signing-2", false, &at(6))));
    assert!(refused(ring.retire("signing-2", aside(), &at(30))));
    ring.switch("signing-2", false, &forced(6)).unwrap();
    assert!(refused(ring.retire("signing-1", aside(), &at(12))));
    ring.retire("signing-1", aside(), &forced(12)).unwrap();
    assert!(
        !refused(ring.retire("signing-2", aside(), &forced(99))),
        "the last one stays"
    );
    assert!(!refused(ring.switch("signing-1", false, &forced(99))));
}

#[test]
fn a_switch_can_be_taken_back_at_once() {
    let mut ring = ring();
    ring.publish("signing-2", &at(0)).unwrap();
    ring.switch("signing-2", false, &at(7)).unwrap();
    ring.switch("signing-1", false, &at(7)).unwrap();
    assert_eq!(
        names(&ring, Purpose::Signing, RingKey::signs),
        ["signing-1", "signing-2"]
    );
}

#[test]
fn a_key_beside_another_leaves_the_first_in_its_place() {
    let mut ring = ring();
    ring.publish("signing-2", &at(0)).unwrap();
    ring.switch("signing-2", true, &at(7)).unwrap();
    assert_eq!(
        names(&ring, Purpose::Signing, |key| key.state == KeyState::Active),
        ["signing-1", "signing-2"]
    );
}

#[test]
fn the_file_is_read_as_it_was_written_and_slips_are_found() {
    let mut ring = ring();
    ring.publish("signing-2", &at(3)).unwrap();
    assert_eq!(KeyRing::parse(&ring.to_toml()).unwrap(), ring);
    assert!(KeyRing::parse("[[key]]\nname = \"x\"\nstate = \"lost\"\n").is_err());
    assert!(KeyRing::parse("[[keys]]\n").is_err());
}

#[test]
fn a_purpose_names_the_only_key_that_can_be_meant() {
    let mut ring = ring();
    assert_eq!(
        ring.named("signing", &[KeyState::Staged]).unwrap().name,
        "signing-2"
    );
    assert!(ring.named("signing", &[KeyState::Published]).is_err());
    ring.keys.push(key("signing-3", KeyState::Staged));
    assert!(ring.named("signing", &[KeyState::Staged]).is_err());
}
