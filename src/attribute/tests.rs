use super::pairwise::Salt;
use super::*;
use crate::policy::Policy;
use crate::policy::audience::ENTITY_CATEGORY;
use crate::saml::metadata::{
    AttributeConsumingService, EntityDescriptor, RequestedAttribute, SpSsoDescriptor,
};

const SP: &str = "https://sp.example.org";

fn record(entries: &[(&str, &[&str])]) -> SourceRecord {
    let owned = |values: &&[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    entries
        .iter()
        .map(|(name, values)| ((*name).to_owned(), owned(values)))
        .collect()
}

fn named(names: &[&str], merge: Merge) -> Source {
    Source::Named(names.iter().map(|name| (*name).to_owned()).collect(), merge)
}

fn defined(id: &str, source: Source) -> Definition {
    Definition {
        id: id.to_owned(),
        name: standard(id).map_or(format!("urn:test:{id}"), |known| known.name.to_owned()),
        source,
        rewrites: Vec::new(),
        scope: None,
    }
}

fn plain(id: &str) -> Definition {
    defined(id, named(&[id], Merge::All))
}

fn rule(name: &str, to: Audience, attributes: &[&str]) -> ReleaseRule {
    ReleaseRule {
        name: name.to_owned(),
        to: vec![to],
        attributes: attributes.iter().map(|id| (*id).to_owned()).collect(),
        ..ReleaseRule::default()
    }
}

fn everyone(attributes: &[&str]) -> ReleaseRule {
    rule("all", Audience::Everyone, attributes)
}

/// One release: settings, who asks, and what is known.
struct Case {
    settings: AttributeSettings,
    entity: EntityDescriptor,
    index: Option<u16>,
    only: Option<Vec<String>>,
    record: SourceRecord,
    login: SourceRecord,
    scripts: BTreeMap<String, String>,
}

impl Case {
    fn new(definitions: Vec<Definition>, release: Vec<ReleaseRule>) -> Self {
        Self {
            settings: AttributeSettings {
                definitions,
                release,
                ..AttributeSettings::default()
            },
            entity: EntityDescriptor {
                entity_id: SP.to_owned(),
                ..EntityDescriptor::default()
            },
            index: None,
            only: None,
            record: record(&[
                ("mail", &["j@example.org", "jane@example.org"]),
                ("staffNumber", &["17"]),
                ("role", &["1", "2", "9"]),
            ]),
            login: SourceRecord::new(),
            scripts: BTreeMap::new(),
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&Plan, &Subject<'_>) -> T) -> T {
        let policy = Policy::compile(&self.scripts, &BTreeMap::new()).expect("compiles");
        let rp = RelyingPartyFacts {
            id: self.entity.entity_id.clone(),
            entity_attributes: self.entity.entity_attributes.clone(),
            registration_authority: self.entity.registration_authority.clone(),
            ..RelyingPartyFacts::default()
        };
        let plan = Plan::new(&self.settings, &rp, self.only.as_deref(), &policy).unwrap();
        let subject = Subject {
            username: "jdoe",
            record: &self.record,
            login: &self.login,
            rp: &rp,
            strategies: &policy,
            now: Timestamp::UNIX_EPOCH,
        };
        use_it(&plan, &subject)
    }

    /// What goes out; `explain` must always say the same.
    fn released(&self) -> Vec<String> {
        let asking = (&self.entity, self.index);
        let shown = |id: &str, values: &[String]| format!("{id}={}", values.join(";"));
        self.with(|plan, subject| {
            let released = release(&self.settings, plan, subject, asking).attributes;
            let released: Vec<_> = released.iter().map(|a| shown(&a.id, &a.values)).collect();
            let explained = explain(&self.settings, plan, subject, asking);
            let explained = explained.iter().filter(|one| !one.released.is_empty());
            let explained: Vec<_> = explained
                .map(|one| shown(&one.attribute.id, &one.released))
                .collect();
            assert_eq!(released, explained);
            released
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let asking = (&self.entity, self.index);
        self.with(|plan, subject| {
            let explained = explain(&self.settings, plan, subject, asking);
            explained.into_iter().map(|one| one.outcome).collect()
        })
    }

    /// The released values of the one attribute that is defined.
    fn values(definition: Definition, change: impl FnOnce(&mut Self)) -> Vec<String> {
        let id = definition.id.clone();
        let mut case = Self::new(vec![definition], vec![everyone(&[&id])]);
        change(&mut case);
        case.released()
            .first()
            .map(|shown| {
                shown[id.len() + 1..]
                    .split(';')
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default()
    }
}

#[test]
fn nothing_is_released_without_a_rule() {
    let case = Case::new(vec![plain("mail")], vec![]);
    assert!(case.released().is_empty());
    assert_eq!(case.outcomes(), [Outcome::Withheld(Withheld::NoRule)]);
}

#[test]
fn a_rule_for_one_entity_says_nothing_about_another() {
    let to = Audience::Entity(SP.to_owned());
    let mut case = Case::new(vec![plain("mail")], vec![rule("one", to, &["mail"])]);
    assert_eq!(case.released(), ["mail=j@example.org;jane@example.org"]);
    case.entity.entity_id = format!("{SP}/");
    assert!(case.released().is_empty());
}

#[test]
fn the_key_is_the_users_name_and_a_scope_is_added_once() {
    let mut definition = defined("eduPersonPrincipalName", named(&["uid"], Merge::All));
    definition.scope = Some("example.org".to_owned());
    assert_eq!(
        Case::values(definition.clone(), |_| ()),
        ["jdoe@example.org"]
    );
    let with_scope = |case: &mut Case| case.record = record(&[("uid", &["j@other.example"])]);
    assert_eq!(Case::values(definition, with_scope), ["j@other.example"]);
}

#[test]
fn several_sources_are_merged_in_order_or_stand_in_for_one_another() {
    let sources = ["staffNumber", "absent", "role", "staffNumber"];
    let all = defined("x", named(&sources, Merge::All));
    assert_eq!(Case::values(all, |_| ()), ["17", "1", "2", "9"]);
    let first = defined("x", named(&["absent", "role", "mail"], Merge::First));
    assert_eq!(Case::values(first, |_| ()), ["1", "2", "9"]);
}

#[test]
fn a_map_and_an_expression_drop_what_they_do_not_know() {
    let map = |otherwise| {
        let mut definition = defined("x", named(&["role"], Merge::All));
        let entries = [("1", "student"), ("2", "staff")];
        let entries = entries.map(|(from, to)| (from.to_owned(), to.to_owned()));
        definition.rewrites = vec![Rewrite::Map {
            entries: entries.into(),
            otherwise,
        }];
        Case::values(definition, |_| ())
    };
    assert_eq!(map(Otherwise::Drop), ["student", "staff"]);
    assert_eq!(map(Otherwise::Keep), ["student", "staff", "9"]);
    let member = Otherwise::Become("member".to_owned());
    assert_eq!(map(member), ["student", "staff", "member"]);
    let mut definition = plain("mail");
    definition.rewrites = vec![Rewrite::Regex {
        pattern: Pattern::new("(.)@(.*)").unwrap(),
        replacement: "$1%$2".to_owned(),
    }];
    assert_eq!(Case::values(definition, |_| ()), ["j%example.org"]);
}

#[test]
fn an_expression_matches_whole_values_alone() {
    let pattern = Pattern::new("a|.*@example\\.org").unwrap();
    assert!(pattern.matches("x@example.org") && pattern.matches("a"));
    assert!(!pattern.matches("x@example.org.evil.example"));
    assert!(!pattern.matches("ab"));
    assert!(Pattern::new("(").is_err());
    assert!(Pattern::new("(?:a{1000}){1000}").is_err());
}

#[test]
fn a_template_repeats_single_values_and_refuses_lists_of_different_lengths() {
    let fill = |text: &str| {
        let template = Template::parse(text).unwrap();
        Case::values(defined("x", Source::Template(template)), |_| ())
    };
    assert_eq!(
        fill("urn:{staffNumber}:{role}"),
        ["urn:17:1", "urn:17:2", "urn:17:9"]
    );
    assert!(fill("{mail}/{role}").is_empty());
    assert!(fill("{absent}").is_empty());
    for wrong in ["", "x", "{", "{}", "}", "{a", "{a}}", "{a{b}}"] {
        assert_eq!(Template::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_constant_is_the_same_for_everyone() {
    let source = Source::Constant(vec!["example.org".to_owned()]);
    assert_eq!(Case::values(defined("x", source), |_| ()), ["example.org"]);
}

#[test]
fn a_script_makes_values_from_the_record_and_the_login() {
    let make = |source: &str| {
        let script = crate::authn::strategy::ScriptName("attribute/x".to_owned());
        Case::values(defined("x", Source::Script(script)), |case| {
            case.login = record(&[("login.method", &["authn/DuoOIDC"])]);
            case.scripts = BTreeMap::from([("attribute/x".to_owned(), source.to_owned())]);
        })
    };
    assert_eq!(
        make("user.attr(\"role\").map(|r| `r${r}`)"),
        ["r1", "r2", "r9"]
    );
    assert_eq!(make("user.attr(\"login.method\")"), ["authn/DuoOIDC"]);
    assert_eq!(
        make("if rp.id == \"x\" { \"a\" } else { user.name }"),
        ["jdoe"]
    );
    assert!(make("()").is_empty());
    assert!(
        make("1 + true").is_empty(),
        "a failing script releases nothing"
    );
}

#[test]
fn a_failing_script_is_reported() {
    let script = crate::authn::strategy::ScriptName("attribute/x".to_owned());
    let definitions = vec![defined("x", Source::Script(script))];
    let mut case = Case::new(definitions, vec![everyone(&["x"])]);
    case.scripts = BTreeMap::from([("attribute/x".to_owned(), "1 + true".to_owned())]);
    let asking = (&case.entity, None);
    let problems =
        case.with(|plan, subject| release(&case.settings, plan, subject, asking).problems);
    assert_eq!(problems.len(), 1);
}

#[test]
fn the_logins_own_facts_are_sources_and_a_record_cannot_feign_them() {
    let definition = defined("x", named(&["login.method"], Merge::All));
    let values = Case::values(definition, |case| {
        case.record = record(&[("login.method", &["authn/Forged"])]);
        case.login = record(&[("login.method", &["authn/Password"])]);
    });
    assert_eq!(values, ["authn/Password"]);
}

#[test]
fn values_that_xml_cannot_carry_are_never_sent() {
    let values = Case::values(plain("mail"), |case| {
        case.record = record(&[("mail", &["a\u{0}b", "c@example.org", "\u{ffff}"])]);
    });
    assert_eq!(values, ["c@example.org"]);
}

#[test]
fn subject_identifiers_keep_to_their_syntax_and_pairwise_ones_differ() {
    let mut subject = defined("subject-id", named(&["staffNumber"], Merge::All));
    subject.scope = Some("example.org".to_owned());
    assert_eq!(Case::values(subject.clone(), |_| ()), ["17@example.org"]);
    let odd = |case: &mut Case| case.record = record(&[("staffNumber", &["1_7"])]);
    assert!(Case::values(subject, odd).is_empty());
    let salt = Salt::new(b"0123456789abcdef".to_vec()).unwrap();
    let mut pairwise = defined("pairwise-id", Source::Pairwise("uid".to_owned(), salt));
    pairwise.scope = Some("example.org".to_owned());
    let here = Case::values(pairwise.clone(), |_| ());
    let there = Case::values(pairwise, |case| {
        case.entity.entity_id = "urn:other".to_owned();
    });
    assert!(here[0].ends_with("@example.org") && !here[0].contains("jdoe"));
    assert_ne!(here, there);
}

#[test]
fn a_rule_that_withholds_beats_every_rule_that_releases() {
    let deny = ReleaseRule {
        deny: true,
        values: BTreeMap::from([("mail".to_owned(), Pattern::new("jane@.*").unwrap())]),
        ..rule("no", Audience::Everyone, &["mail"])
    };
    let mut case = Case::new(vec![plain("mail")], vec![deny, everyone(&["mail"])]);
    assert_eq!(case.released(), ["mail=j@example.org"]);
    case.only = Some(vec!["all".to_owned()]);
    assert_eq!(case.released(), ["mail=j@example.org"]);
    case.settings.release[0].values.clear();
    assert!(case.released().is_empty());
    let denied = Outcome::Withheld(Withheld::Denied("no".to_owned()));
    assert_eq!(case.outcomes(), [denied]);
}

#[test]
fn a_rule_may_release_some_values_only() {
    let mut rule = everyone(&["role"]);
    rule.values = BTreeMap::from([("role".to_owned(), Pattern::new("[12]").unwrap())]);
    let mut case = Case::new(vec![plain("role")], vec![rule]);
    assert_eq!(case.released(), ["role=1;2"]);
    case.record = record(&[("role", &["9"])]);
    assert_eq!(case.outcomes(), [Outcome::Withheld(Withheld::NoSuchValue)]);
}

#[test]
fn a_category_rule_may_be_limited_to_a_registrar() {
    let category = bundle("rs").unwrap().category;
    let has = |value: &str| Audience::Attribute {
        name: ENTITY_CATEGORY.to_owned(),
        value: value.to_owned(),
    };
    let mut rs = rule("rs", has(category), &["mail"]);
    rs.only = vec![Audience::RegistrationAuthority("urn:good".to_owned())];
    let mut case = Case::new(vec![plain("mail")], vec![rs]);
    assert!(case.released().is_empty());
    case.entity.entity_attributes =
        BTreeMap::from([(ENTITY_CATEGORY.to_owned(), vec![category.to_owned()])]);
    assert!(case.released().is_empty());
    case.entity.registration_authority = Some("urn:good".to_owned());
    assert_eq!(case.released().len(), 1);
    let because = format!("category:{category} and registrationAuthority:urn:good");
    let rule = "rs".to_owned();
    assert_eq!(case.outcomes(), [Outcome::Released { rule, because }]);
}

#[test]
fn a_relying_party_may_have_rules_of_its_own() {
    let nobody = Audience::Entity("urn:nobody".to_owned());
    let rules = vec![everyone(&["mail"]), rule("hr", nobody, &["staffNumber"])];
    let mut case = Case::new(vec![plain("mail"), plain("staffNumber")], rules);
    assert_eq!(case.released(), ["mail=j@example.org;jane@example.org"]);
    case.only = Some(vec!["hr".to_owned()]);
    assert_eq!(case.released(), ["staffNumber=17"]);
}

fn requesting(
    index: u16,
    default: Option<bool>,
    wanted: &[(&str, bool)],
) -> AttributeConsumingService {
    AttributeConsumingService {
        index,
        is_default: default,
        requested: wanted
            .iter()
            .map(|(id, required)| RequestedAttribute {
                name: standard(id).unwrap().name.to_owned(),
                required: *required,
                values: Vec::new(),
            })
            .collect(),
        names: Vec::new(),
    }
}

#[test]
fn a_rule_may_release_only_what_metadata_requests() {
    let mut any = everyone(&["mail", "uid", "cn"]);
    any.requested = Requested::Any;
    let definitions = ["mail", "uid", "cn"].map(plain).to_vec();
    let mut case = Case::new(definitions, vec![any]);
    case.record = record(&[("mail", &["a", "b"]), ("cn", &["c"])]);
    assert!(case.released().is_empty(), "no service, nothing requested");
    case.entity.sp = SpSsoDescriptor {
        attribute_consuming_services: vec![
            requesting(1, None, &[("cn", false)]),
            requesting(2, Some(true), &[("mail", true), ("uid", false)]),
        ],
        ..SpSsoDescriptor::default()
    };
    assert_eq!(case.released(), ["mail=a;b", "uid=jdoe"]);
    case.index = Some(1);
    assert_eq!(case.released(), ["cn=c"]);
    case.index = Some(3);
    assert!(case.released().is_empty());
    case.index = None;
    case.settings.release[0].requested = Requested::Required;
    assert_eq!(case.released(), ["mail=a;b"]);
    case.entity.sp.attribute_consuming_services[1].requested[0].values = vec!["b".to_owned()];
    assert_eq!(case.released(), ["mail=b"]);
}

#[test]
fn the_subject_identifier_that_metadata_requires_is_released() {
    let mut rule = everyone(&["subject-id", "pairwise-id"]);
    rule.subject_id_requirement = true;
    let identifier = |id: &str| {
        let mut definition = defined(id, named(&["staffNumber"], Merge::All));
        definition.scope = Some("x".to_owned());
        definition
    };
    let definitions = ["subject-id", "pairwise-id"].map(identifier).to_vec();
    let mut case = Case::new(definitions, vec![rule]);
    assert!(case.released().is_empty(), "nothing is signalled");
    for (signal, released) in [
        ("subject-id", &["subject-id=17@x"][..]),
        ("pairwise-id", &["pairwise-id=17@x"]),
        ("any", &["pairwise-id=17@x"]),
        ("none", &[]),
        ("other", &[]),
    ] {
        let name = "urn:oasis:names:tc:SAML:profiles:subject-id:req".to_owned();
        case.entity.entity_attributes = BTreeMap::from([(name, vec![signal.to_owned()])]);
        assert_eq!(case.released(), released, "{signal}");
    }
}

#[test]
fn bundles_name_well_known_attributes() {
    for bundle in BUNDLES {
        for id in bundle.attributes {
            assert!(standard(id).is_some(), "{id}");
        }
    }
}
