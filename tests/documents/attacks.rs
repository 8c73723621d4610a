//! `docs/attacks.md`: the known classes of attack on an identity provider, and what stops each.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One class of attack. Tests whose names begin with its id belong to it.
pub(crate) struct Class {
    pub(crate) id: &'static str,
    title: &'static str,
    /// The type or rule that stops it.
    answer: &'static str,
    /// Tests of other names that belong to it too.
    pub(crate) also: &'static [&'static str],
    /// What is still open, or why it cannot happen yet.
    pub(crate) open: Option<&'static str>,
}

impl Class {
    /// The tests that bear its id, alone or beside another word (`..._and_s16_...`).
    pub(crate) fn tests<'a>(&self, tests: &'a BTreeSet<String>) -> Vec<&'a str> {
        let id = self.id.to_lowercase();
        let bears_it = |name: &&String| name.split('_').any(|word| word == id);
        tests.iter().filter(bears_it).map(String::as_str).collect()
    }
}

/// Tests that begin with an id no class has.
pub(crate) fn unknown_classes(tests: &BTreeSet<String>) -> Vec<String> {
    let known: BTreeSet<String> = CLASSES
        .iter()
        .map(|class| class.id.to_lowercase())
        .collect();
    tests
        .iter()
        .filter(|name| {
            let first = name.split('_').next().unwrap_or_default();
            let digits = first.strip_prefix('s').unwrap_or_default();
            digits.len() == 2 && digits.parse::<u8>().is_ok() && !known.contains(first)
        })
        .map(|name| format!("{name} belongs to no class"))
        .collect()
}

/// The whole document.
pub(crate) fn document(tests: &BTreeSet<String>) -> String {
    let mut text = HEAD.to_owned();
    for class in &CLASSES {
        if let Some((_, part)) = PARTS.iter().find(|(first, _)| *first == class.id) {
            let _ = write!(text, "\n## {part}\n");
        }
        let _ = write!(text, "\n### {} {}\n", class.id, class.title);
        for sentence in [Some(class.answer), class.open].into_iter().flatten() {
            if !sentence.is_empty() {
                let _ = write!(text, "\n{sentence}\n");
            }
        }
        let named = class.tests(tests);
        let also = class.also.iter().copied();
        for (number, name) in named.into_iter().chain(also).enumerate() {
            let gap = if number == 0 { "\n" } else { "" };
            let _ = writeln!(text, "{gap}- `{name}`");
        }
    }
    text
}

const HEAD: &str = "\
# Known attacks, and what stops each

<!-- Made from tests/documents/attacks.rs and the names of the tests; do not edit. -->

The classes of attack that identity providers and multi-factor logins have met, each with the rule
that stops it here and the tests that would fail without it. A class without a test says what it
waits for.
";

/// The headings, each before its first class.
const PARTS: [(&str, &str); 4] = [
    ("S01", "XML and messages"),
    ("S21", "Endpoints, bindings, scope of a token"),
    ("S33", "Sessions, browsers, flow"),
    ("S52", "Availability, accounts, scripts, logs"),
];

const fn stopped(id: &'static str, title: &'static str, answer: &'static str) -> Class {
    Class {
        id,
        title,
        answer,
        also: &[],
        open: None,
    }
}

/// Every class.
pub(crate) const CLASSES: [Class; 68] = [
    stopped(
        "S01",
        "Signature wrapping",
        "What was verified is what is read: a proof is made for the root element alone, and `accept` takes values from that same element.",
    ),
    stopped(
        "S02",
        "Doubled or ambiguous IDs",
        "The one XML reader refuses a document in which one ID value names two elements.",
    ),
    stopped(
        "S03",
        "Parsers that disagree",
        "There is one parser. Random documents are compared with libxml2.",
    ),
    stopped(
        "S04",
        "Empty canonical form",
        "Canonicalisation cannot fail silently: what it cannot take is refused when it is read.",
    ),
    stopped(
        "S05",
        "Values cut at a comment",
        "Text on both sides of a comment is one value; processing instructions are refused.",
    ),
    stopped(
        "S06",
        "A demanded signature left out",
        "`AuthnRequest` is made by `accept` alone, which asks metadata whether a signature is needed.",
    ),
    stopped(
        "S07",
        "A detail of metadata that switches checks off",
        "Keys come from metadata whatever their use, role or expiry.",
    ),
    stopped(
        "S08",
        "Confused keys and algorithms",
        "A key verifies only the algorithms of its kind; keys inside messages are not looked at.",
    ),
    stopped(
        "S09",
        "A return value taken for success",
        "Checks answer with a `Result` whose success is a value that nothing else makes; nothing throws it away.",
    ),
    stopped(
        "S10",
        "Redirect signatures over rebuilt text",
        "The octets of the query are kept as they came and verified as they are.",
    ),
    stopped(
        "S11",
        "Doubled parameters",
        "Any doubled parameter of SAML is refused, in the query, in the body or across both.",
    ),
    stopped(
        "S12",
        "External entities, DTDs",
        "A DOCTYPE is refused before anything after it is read.",
    ),
    stopped(
        "S13",
        "Entity expansion, outsize documents",
        "No entities but the five of XML; one budget of depth, elements, attributes and octets.",
    ),
    stopped("S14", "Deflate bombs", "Inflation stops at a cap."),
    stopped(
        "S15",
        "Abused transforms",
        "One reference, two known transforms.",
    ),
    stopped(
        "S16",
        "Hostile encrypted content",
        "Nothing is decrypted before the sender is proved; every failure reads the same.",
    ),
    stopped(
        "S17",
        "Padding oracles",
        "GCM and OAEP alone are decrypted; CBC is written only where the operator orders it.",
    ),
    stopped(
        "S18",
        "Weak algorithms and keys",
        "Key types check strength when they are made.",
    ),
    stopped(
        "S19",
        "Markup built from strings",
        "Every octet of XML that we send goes through one writer that escapes.",
    ),
    stopped(
        "S20",
        "Cheap requests that make us sign",
        "What proves nothing is answered by a page of constant size, without a signature.",
    ),
    stopped(
        "S21",
        "An assertion consumer service that metadata does not name",
        "`Refusal::ToRelyingParty` and `Assertion` need an address that only metadata gives.",
    ),
    stopped(
        "S22",
        "Endpoints that are scripts",
        "Addresses other than http and https never leave the metadata reader.",
    ),
    stopped(
        "S23",
        "RelayState as markup or as a target",
        "It is bounded, escaped and echoed, never followed.",
    ),
    stopped(
        "S24",
        "Confused destination, recipient, InResponseTo",
        "A response takes these from the request it answers.",
    ),
    stopped(
        "S25",
        "Replayed requests",
        "Each request is good once and for a short time; a full memory refuses, it forgets nothing.",
    ),
    stopped(
        "S26",
        "Artifacts used twice or by others",
        "An artifact is redeemed once, within a minute, by a signed request of the party it was made \
         for; in other hands it is spent.",
    ),
    stopped(
        "S27",
        "Confused audiences",
        "One audience: the relying party whose request it is.",
    ),
    stopped(
        "S28",
        "A removed relying party still served",
        "The relying party is looked up again before it is answered.",
    ),
    Class {
        also: &["an_entity_expires_at_the_time_of_use"],
        ..stopped(
            "S29",
            "Replaced metadata",
            "The first definition of an entityID stays; what is expired is not used.",
        )
    },
    Class {
        open: Some(
            "No document is fetched from an address that came in a message or in metadata, so there is nothing to aim; the providers of metadata are keys of the configuration.",
        ),
        ..stopped(
            "S30",
            "Fetches that an attacker aims",
            "Only the operator's configuration names an address to fetch from.",
        )
    },
    stopped(
        "S31",
        "Forged Host headers",
        "Our addresses come from `vestibule.baseURL`.",
    ),
    stopped(
        "S32",
        "Forged client addresses",
        "A forwarding header counts only from a proxy that is named.",
    ),
    stopped(
        "S33",
        "Forged logins",
        "A form carries a token bound to the browser it was shown to.",
    ),
    stopped(
        "S34",
        "Fixed sessions",
        "A session gets a new id with every new factor.",
    ),
    stopped(
        "S35",
        "Traps of SameSite",
        "Cookies are Lax, host-bound and closed to scripts; a POST from elsewhere is taken up again by a page of ours.",
    ),
    stopped("S36", "Frames", "Every page forbids to be framed."),
    stopped(
        "S37",
        "Duo's callback without a first factor",
        "A callback needs a login that waits at Duo: another state has no transition for it.",
    ),
    stopped(
        "S38",
        "Mixed logins",
        "A state belongs to one login of one browser and is removed when read.",
    ),
    stopped(
        "S39",
        "Another user's Duo result",
        "`VerifiedClaims` exist only for the exact user the request named.",
    ),
    stopped(
        "S40",
        "Bad tokens from Duo",
        "One verifier, HS512 alone, every claim checked, each fault with its own reason.",
    ),
    Class {
        also: &["i05_only_the_success_of_a_step_moves_a_login_past_it"],
        ..stopped(
            "S41",
            "Skipped steps",
            "`Login::advance` consumes the login; no endpoint names a step.",
        )
    },
    stopped(
        "S42",
        "Factors enrolled or removed at low strength",
        "Adding or removing a factor needs a fresh act at Duo; a first one is for administrators unless the operator says that a fresh password will do. An activation code is sealed to the browser and the user that began it.",
    ),
    Class {
        also: &["i02_nothing_in_the_request_lowers_what_the_rules_require"],
        ..stopped(
            "S43",
            "Downgrade by the requested class",
            "The rules run whatever was requested; a request can only ask for more.",
        )
    },
    Class {
        also: &["i01_a_class_is_never_stronger_than_the_evidence"],
        ..stopped(
            "S44",
            "A weak session at a strict relying party",
            "The transition map runs for every login, with earlier results standing in for their flows alone.",
        )
    },
    Class {
        also: &["i14_a_degraded_login_claims_a_password_at_most"],
        ..stopped(
            "S45",
            "Blocking Duo",
            "Closed by default; an outage that a rule lets through claims a password at most and is marked.",
        )
    },
    stopped(
        "S46",
        "Bypass taken for MFA",
        "Duo's factor and reason are graded by a table; what is not in it proves nothing.",
    ),
    stopped(
        "S47",
        "Pushes until somebody approves",
        "Starts at Duo are counted for each user.",
    ),
    stopped(
        "S48",
        "A side door without a browser",
        "It is closed unless it is switched on; behind it the same map and scripts run, no page is ever shown, and a factor that cannot run ends the login.",
    ),
    Class {
        open: Some(
            "We remember no browser; a device that Duo remembers counts only where the operator says so.",
        ),
        ..stopped("S49", "Stolen remember-me cookies", "")
    },
    stopped(
        "S50",
        "Forged logouts",
        "A logout message is accepted only with proof of its sender, once, and ends only the sessions that this sender was told of.",
    ),
    stopped(
        "S51",
        "Hostile metadata on pages",
        "Templates escape; there is no inline script.",
    ),
    stopped(
        "S52",
        "Finding out who exists",
        "An unknown user costs a hash like any other and reads the same page.",
    ),
    stopped(
        "S53",
        "Guessing passwords",
        "Failures count for an account at one network, for the account, for a network and for everybody; beyond a limit one attempt goes through now and then, and the others get the answer of a wrong password. Nobody is shut out for what happens elsewhere.",
    ),
    stopped(
        "S54",
        "Hashing until nothing else runs",
        "A bounded pool with a bounded queue; overlong passwords are refused unread.",
    ),
    Class {
        open: Some(
            "There is no LDAP directory yet; empty passwords are refused before any back end (S54).",
        ),
        ..stopped("S55", "Injection into LDAP filters, empty binds", "")
    },
    Class {
        open: Some("There is no LDAP directory yet."),
        ..stopped("S56", "Directory certificates unchecked", "")
    },
    stopped(
        "S57",
        "Scripts that escape",
        "The engine has no function that touches the world.",
    ),
    Class {
        also: &["i10_a_failing_script_never_means_fewer_factors"],
        ..stopped(
            "S58",
            "Scripts without end",
            "One set of limits; what breaks them fails closed.",
        )
    },
    stopped(
        "S59",
        "Regular expressions without end",
        "One engine without backtracking, in one place, with a limit on the size of what it compiles.",
    ),
    stopped(
        "S60",
        "Policy tests as a way in",
        "Policy tests are a command; no endpoint runs them.",
    ),
    Class {
        also: &["a_secret_is_never_repeated"],
        ..stopped(
            "S61",
            "Forged log lines, leaked secrets",
            "Secrets have no Debug; every field of a line is escaped.",
        )
    },
    Class {
        also: &["without_an_audit_nobody_logs_in"],
        ..stopped(
            "S62",
            "Missing audit lines",
            "A line that cannot be written refuses the login, unless the operator declares it bearable.",
        )
    },
    stopped(
        "S63",
        "Races",
        "State is taken out of the store before it is used; a login keeps one configuration.",
    ),
    Class {
        also: &[
            "a_key_that_everyone_may_read_is_a_warning",
            "debug_never_shows_the_key",
            "secrets_of_a_new_home_are_its_owners_alone",
        ],
        ..stopped(
            "S64",
            "Stolen keys",
            "Keys never show; `check` warns of a file that others may read.",
        )
    },
    Class {
        also: &["the_store_never_sees_the_cookies_secret"],
        open: Some("Records are not encrypted, so who may write to the store is trusted."),
        ..stopped(
            "S65",
            "Swapped records in the store",
            "A record is found only with the secret that the browser holds, and the store holds its hash alone.",
        )
    },
    stopped(
        "S66",
        "Slow and outsize HTTP",
        "HTTP/1.1 alone; header time, idle time and body size are bounded.",
    ),
    Class {
        also: &[
            "a_well_integration_with_a_wrong_clock_says_so",
            "s25_a_request_older_than_its_lifetime_or_from_the_future_is_refused",
        ],
        ..stopped(
            "S67",
            "Clocks that differ",
            "A few minutes are tolerated; `duo ping` says by how much the clock is off.",
        )
    },
    Class {
        also: &[
            "another_users_factors_are_dropped",
            "i03_every_factor_belongs_to_the_user_of_the_result",
        ],
        ..stopped(
            "S68",
            "Another user in one session",
            "A login of another user drops the session's factors; results of two users do not merge.",
        )
    },
];
