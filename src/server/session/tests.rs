use super::*;
use crate::authn::evidence::PasswordVerified;
use crate::authn::principal::ClassOrder;
use crate::saml::name_id::{NameId, PERSISTENT, TRANSIENT};
use crate::server::storage::conformance::{TestClock, block_on};
use crate::server::storage::memory::Memory;
use crate::server::world::Clock as _;
use crate::server::world::tests::world_at;
use std::collections::BTreeSet;
use std::sync::Arc;

struct Fixture {
    clock: Arc<TestClock>,
    store: Memory,
    settings: SessionSettings,
    world: World,
}

impl Fixture {
    fn new() -> Self {
        let clock = TestClock::new();
        Self {
            store: Memory::new(clock.clone(), 1000),
            settings: SessionSettings {
                timeout: Duration::from_hours(1),
                lifetime: Duration::from_hours(12),
                consistent_address: false,
                login_lifetime: Duration::from_mins(15),
            },
            world: world_at(clock.clone()),
            clock,
        }
    }

    fn sessions(&self) -> Sessions<'_> {
        Sessions {
            storage: &self.store,
            settings: &self.settings,
            world: &self.world,
        }
    }

    fn result(&self, username: &str) -> AuthenticationResult {
        let now = self.clock.now();
        let evidence = PasswordVerified::attest(username.to_owned(), "test".to_owned(), now);
        let order = ClassOrder::default();
        let factor = FactorResult::password(evidence, BTreeSet::new(), &order, now);
        AuthenticationResult::merge(BTreeMap::from([(FlowId::Password, factor)]), false).unwrap()
    }

    fn keep(&self, username: &str, live: Option<&Live>) -> Kept {
        self.keep_at("sp", username, live).unwrap()
    }

    fn keep_at(&self, sp: &str, username: &str, live: Option<&Live>) -> Option<Kept> {
        let result = self.result(username);
        self.keep_result(sp, &result, live)
    }

    fn keep_result(
        &self,
        sp: &str,
        result: &AuthenticationResult,
        live: Option<&Live>,
    ) -> Option<Kept> {
        let sessions = self.sessions();
        let ticket = sessions.ticket(result, live);
        let participant = participant(sp, &ticket);
        block_on(sessions.keep(result, live, (ticket, Some(participant)), None)).unwrap()
    }

    /// Another login at a relying party, with nothing asked.
    fn again(&self, sp: &str, live: &Live) -> Option<Kept> {
        let factors = live.session.factors.clone().into_iter();
        let factors = factors.map(|(flow, factor)| (flow, factor.into_previous()));
        let result = AuthenticationResult::merge(factors.collect(), false).unwrap();
        self.keep_result(sp, &result, Some(live))
    }

    fn named(&self, participant: &Participant, indexes: &[String]) -> usize {
        let sessions = self.sessions();
        let of_name = sessions.of_name(&participant.entity_id, &participant.name_id, indexes);
        block_on(of_name).unwrap().len()
    }

    fn find(&self, secret: &str) -> Option<Live> {
        block_on(self.sessions().find(secret, None)).unwrap()
    }
}

fn participant(sp: &str, ticket: &Ticket) -> Participant {
    Participant {
        entity_id: sp.to_owned(),
        name_id: NameId {
            value: ticket.name(sp),
            format: TRANSIENT.to_owned(),
            name_qualifier: Some("https://idp.example.org/idp".to_owned()),
            sp_name_qualifier: Some(sp.to_owned()),
        },
        session_index: ticket.session_index(sp),
    }
}

#[test]
fn s34_a_new_factor_gets_a_new_id_and_the_old_one_dies() {
    let fixture = Fixture::new();
    let first = fixture.keep("ann", None).cookie.unwrap();
    let live = fixture.find(&first).unwrap();
    let second = fixture.keep("ann", Some(&live)).cookie.unwrap();
    assert_ne!(first, second);
    assert!(fixture.find(&first).is_none());
    assert!(fixture.find(&second).is_some());
}

#[test]
fn another_users_factors_are_dropped() {
    let fixture = Fixture::new();
    let ann = fixture.keep("ann", None).cookie.unwrap();
    let live = fixture.find(&ann).unwrap();
    let bob = fixture.keep("bob", Some(&live)).cookie.unwrap();
    let names: Vec<_> = fixture
        .find(&bob)
        .unwrap()
        .earlier()
        .iter()
        .map(|factor| factor.evidence().username().to_owned())
        .collect();
    assert_eq!(names, ["bob"]);
}

#[test]
fn a_session_ends_after_inactivity_and_after_its_lifetime() {
    let mut fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    fixture.clock.advance(3599);
    assert!(fixture.find(&secret).is_some());
    fixture.clock.advance(1);
    assert!(fixture.find(&secret).is_none(), "idle for an hour");

    fixture.settings.lifetime = Duration::from_secs(10);
    let secret = fixture.keep("ann", None).cookie.unwrap();
    fixture.clock.advance(10);
    assert!(fixture.find(&secret).is_none(), "older than its lifetime");
}

#[test]
fn use_keeps_a_session_alive() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    fixture.clock.advance(3000);
    let live = fixture.find(&secret).unwrap();
    fixture.again("sp", &live).unwrap();
    fixture.clock.advance(3000);
    assert!(fixture.find(&secret).is_some());
}

#[test]
fn a_bound_session_is_not_found_from_another_address() {
    let mut fixture = Fixture::new();
    fixture.settings.consistent_address = true;
    let secret = fixture.keep("ann", None).cookie.unwrap();
    let sessions = fixture.sessions();
    let elsewhere = Some("192.0.2.1".parse().unwrap());
    assert!(
        block_on(sessions.find(&secret, elsewhere))
            .unwrap()
            .is_none()
    );
    assert!(block_on(sessions.find(&secret, None)).unwrap().is_some());
}

#[test]
fn the_store_never_sees_the_cookies_secret() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    let stored = block_on(fixture.store.read(&key(&secret)))
        .unwrap()
        .unwrap();
    assert!(!String::from_utf8(stored.value).unwrap().contains(&secret));
    assert!(!key(&secret).name.contains(&secret));
}

#[test]
fn a_relying_party_keeps_its_name_while_the_session_goes_on_and_costs_no_write() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    let live = fixture.find(&secret).unwrap();
    fixture.again("sp", &live).unwrap();
    assert_eq!(fixture.find(&secret).unwrap().version, live.version);
    fixture.again("other", &live).unwrap();
    let later = fixture.find(&secret).unwrap();
    assert_ne!(later.version, live.version);
    let names: Vec<_> = later.session.participants.iter().collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0].name_id.value, names[1].name_id.value);
    assert_ne!(names[0].session_index, names[1].session_index);
}

#[test]
fn a_session_is_found_by_each_name_it_gave_and_by_no_other() {
    let fixture = Fixture::new();
    let first = fixture.keep("ann", None).cookie.unwrap();
    let live = fixture.find(&first).unwrap();
    fixture.again("other", &live).unwrap();
    let live = fixture.find(&first).unwrap();
    // A new factor: another record under another secret, the names stay.
    let second = fixture.keep("ann", Some(&live)).cookie.unwrap();
    let live = fixture.find(&second).unwrap();
    for participant in live.session.participants.iter() {
        assert_eq!(fixture.named(participant, &[]), 1);
        let index = participant.session_index.clone();
        assert_eq!(fixture.named(participant, &[index]), 1);
        assert_eq!(fixture.named(participant, &["_other".to_owned()]), 0);
        let mut stranger = participant.clone();
        stranger.entity_id = "stranger".to_owned();
        assert_eq!(fixture.named(&stranger, &[]), 0);
        let mut persistent = participant.clone();
        persistent.name_id.format = PERSISTENT.to_owned();
        assert_eq!(fixture.named(&persistent, &[]), 0);
    }
}

#[test]
fn s50_an_ended_session_is_gone_and_nobody_joins_it_any_more() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    let live = fixture.find(&secret).unwrap();
    let name = live.session.participants.iter().next().unwrap().clone();
    // Another request changed the session after it was read.
    fixture.again("other", &live).unwrap();
    let ended = block_on(fixture.sessions().end(live.clone())).unwrap();
    assert_eq!(ended.unwrap().participants.iter().count(), 2);
    assert!(fixture.find(&secret).is_none());
    assert_eq!(fixture.named(&name, &[]), 0);
    assert!(fixture.again("third", &live).is_none());
    assert!(block_on(fixture.sessions().end(live)).unwrap().is_none());
}

#[test]
fn what_a_session_had_to_forget_it_remembers_to_have_forgotten() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    for n in 0..64 {
        let live = fixture.find(&secret).unwrap();
        assert!(!live.session.participants.forgotten);
        fixture.again(&format!("sp{n}"), &live).unwrap();
    }
    let participants = fixture.find(&secret).unwrap().session.participants;
    assert_eq!(participants.iter().count(), 64);
    assert!(participants.forgotten);
}

#[test]
fn a_session_of_one_factor_and_four_relying_parties_is_under_two_kilobytes() {
    let fixture = Fixture::new();
    let secret = fixture.keep("ann", None).cookie.unwrap();
    for n in 0..3 {
        let live = fixture.find(&secret).unwrap();
        let sp = format!("https://sp{n}.example.org/shibboleth");
        fixture.again(&sp, &live).unwrap();
    }
    let stored = block_on(fixture.store.read(&key(&secret)));
    let size = stored.unwrap().unwrap().value.len();
    assert!(size < 2048, "{size}");
}
