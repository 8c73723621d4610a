//! One SSO response inside the process, beside one raw RSA-2048 signature, in one run.
//!
//! From the query string to the base64 of the signed Response, by single sign-on: decode, accept,
//! decide (the transition map with a script), release eight attributes, issue, sign, encode,
//! audit. The goal is at most 1.3 times one raw signature, then 1.15.

#[path = "measure/mod.rs"]
mod measure;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use measure::{cpu_each, median, ratio};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509NameBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use vestibule::attribute::{
    self, Attribute, AttributeSettings, Definition, Merge, ReleaseRule, Source, SourceRecord,
    release, standard,
};
use vestibule::audit::{AuditSettings, Exchange, Issued, sso_success};
use vestibule::authn::descriptor::{Condition, FlowDescriptor};
use vestibule::authn::event::Event;
use vestibule::authn::evidence::{EvidenceTable, PasswordVerified};
use vestibule::authn::facts::RequestFacts;
use vestibule::authn::flow::FlowId;
use vestibule::authn::login::{Input, Login, Start, Step, Success, Verdict};
use vestibule::authn::moment::Moment;
use vestibule::authn::principal::ClassOrder;
use vestibule::authn::remembered::RememberRules;
use vestibule::authn::result::FactorResult;
use vestibule::authn::rules::{DuoRules, Rules};
use vestibule::authn::strategy::ScriptName;
use vestibule::authn::transition::{On, Stage, Target, TransitionMap};
use vestibule::config::relying_party::{Ground, Profile, Profiles};
use vestibule::policy::Policy;
use vestibule::policy::audience::Audience;
use vestibule::response::name_id::Asked;
use vestibule::response::{Assertion, Signing, Statement, success};
use vestibule::saml::binding::{Binding, decode_redirect};
use vestibule::saml::context::{AuthnContextClassRef, PASSWORD_PROTECTED_TRANSPORT};
use vestibule::saml::key::SigningKey;
use vestibule::saml::metadata::{AnswerBy, EntityDescriptor, MetadataSet, parse};
use vestibule::saml::name_id::NameId;
use vestibule::saml::request::{Acceptance, AuthnRequest, accept};

const IDP: &str = "https://idp.example.org/idp";
const SP: &str = "https://sp.example.org/shibboleth";
const SSO: &str = "https://idp.example.org/idp/profile/SAML2/Redirect/SSO";
const ATTRIBUTES: [(&str, &str); 8] = [
    ("uid", "jdoe"),
    ("mail", "jane.doe@example.org"),
    ("displayName", "Jane Doe"),
    ("givenName", "Jane"),
    ("sn", "Doe"),
    ("eduPersonPrincipalName", "jdoe@example.org"),
    ("eduPersonScopedAffiliation", "member@example.org"),
    (
        "eduPersonEntitlement",
        "urn:mace:dir:entitlement:common-lib-terms",
    ),
];

const ROUNDS: usize = 15;
const CALLS: u32 = 400;

fn main() {
    let key = measure::rsa_key();
    let idp = Idp::new(&key);
    println!(
        "response: {} octets, {} attributes",
        idp.respond(0).len(),
        ATTRIBUTES.len()
    );

    let (mut raw, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        raw.push(cpu_each(CALLS, || measure::raw_signature(&key)));
        let mut number = round * CALLS as usize;
        whole.push(cpu_each(CALLS, || {
            number += 1;
            std::hint::black_box(idp.respond(number));
        }));
    }
    let (raw, whole) = (median(raw), median(whole));
    println!(
        "one raw signature:     {raw:>10.1?} CPU  {:>7.0}/s on one core",
        per_second(raw)
    );
    println!(
        "one SSO response:      {whole:>10.1?} CPU  {:>7.0}/s on one core",
        per_second(whole)
    );
    println!(
        "ratio:                 {:>10.3}  (goal 1.3, then 1.15)",
        ratio(whole, raw)
    );
    idp.print_parts();
    if let Some(speed) = measure::openssl_speed() {
        println!(
            "`openssl speed`:       {speed:>10.1?}      ratio {:.3}",
            ratio(whole, speed)
        );
    }
    println!(
        "two threads:           {:>10.3}  times the throughput of one (goal 1.9)",
        idp.scaling()
    );
}

fn per_second(each: Duration) -> f64 {
    1.0 / each.as_secs_f64()
}

fn part<T>(name: &str, mut work: impl FnMut() -> T) {
    let mut each = |count| cpu_each(count, || drop(std::hint::black_box(work())));
    // The kernel's account moves by the tick: a measurement must span many.
    let estimate = each(1000).max(Duration::from_nanos(100));
    let count = Duration::from_millis(200).as_nanos() / estimate.as_nanos();
    let cost = each(u32::try_from(count).expect("few calls in a fifth of a second"));
    println!("  {name:<21}{cost:>10.1?}");
}

/// What is drawn afresh for each response.
struct Subject {
    name: NameId,
    ids: [String; 3],
}

impl Subject {
    fn new(idp: &Idp, asking: (&AuthnRequest, &EntityDescriptor), moment: &Moment) -> Self {
        let asked = Asked {
            request: asking.0,
            relying_party: asking.1,
            issuer: IDP,
            record: &idp.record,
            released: &[],
            token: &moment.token("name-id"),
            stored: None,
        };
        let name = idp
            .profile
            .name_ids
            .name_id(&asked)
            .expect("a transient NameID");
        let ids = ["response", "assertion", "session"].map(|id| format!("_{}", moment.token(id)));
        Self { name, ids }
    }
}

/// Everything a running IdP holds.
struct Idp {
    query: String,
    metadata: MetadataSet,
    acceptance: Acceptance,
    rules: Rules,
    session: Vec<FactorResult>,
    attributes: AttributeSettings,
    record: SourceRecord,
    profile: Profile,
    audit: AuditSettings,
    key: SigningKey,
}

impl Idp {
    fn new(key: &PKey<Private>) -> Self {
        let private = key.private_key_to_pem_pkcs8().expect("a PEM key");
        let public = certificate(key).to_pem().expect("a PEM certificate");
        let mut metadata = MetadataSet::new();
        metadata.add(parse(relying_party().as_bytes()).expect("good metadata"));
        let (rules, attributes) = (rules(), attributes());
        let ground = Ground {
            attributes: &attributes,
            strategies: &*rules.strategies,
            now: now(),
        };
        let entity = metadata.iter().next().expect("one relying party");
        let profile = Profiles::default().profile_for(entity, &ground);
        let profile = profile.expect("no script to ask");
        Self {
            query: query(),
            metadata,
            acceptance: Acceptance {
                destinations: vec![(Binding::Redirect, SSO.to_owned())],
                clock_skew: Duration::from_mins(3),
                message_lifetime: Duration::from_mins(3),
                require_signed: false,
                decryption_keys: Vec::new(),
                answer_by: AnswerBy::Post,
            },
            rules,
            session: vec![session()],
            attributes,
            record: ATTRIBUTES
                .iter()
                .map(|(id, value)| ((*id).to_owned(), vec![(*value).to_owned()]))
                .collect(),
            profile,
            audit: AuditSettings::default(),
            key: SigningKey::from_pem(&private, &public).expect("a key and its certificate"),
        }
    }

    /// From the query string to what the form carries.
    fn respond(&self, number: usize) -> String {
        let inbound = decode_redirect(&self.query).expect("a good query");
        let (request, relying_party) = accept(&inbound, &self.metadata, &self.acceptance, now())
            .expect("an acceptable request");
        let moment = Moment {
            now: now(),
            random: openssl::sha::sha256(&number.to_le_bytes()),
        };
        let success = self.log_in(&request, &moment);
        self.answer(&request, &relying_party, &success, &moment)
    }

    fn log_in(&self, request: &AuthnRequest, moment: &Moment) -> Success {
        let start = Start {
            transaction: "0123456789abcdef".to_owned(),
            rp: self.profile.facts.clone(),
            request: RequestFacts {
                requested: request.requested.clone(),
                ..RequestFacts::default()
            },
            default_classes: Vec::new(),
            terms: self.profile.terms.clone(),
            earlier: self.session.clone(),
            remembered: None,
            presented: None,
        };
        let login = Login::new(start, &self.rules);
        match login.advance(Input::Begin, &self.rules, moment).step {
            Step::Finish(Verdict::Success(success)) => *success,
            other => panic!("not single sign-on: {other:?}"),
        }
    }

    fn answer(
        &self,
        request: &AuthnRequest,
        relying_party: &EntityDescriptor,
        done: &Success,
        moment: &Moment,
    ) -> String {
        let attributes = self.attributes(relying_party, done);
        let subject = Subject::new(self, (request, relying_party), moment);
        let statement = self.statement(request, done, &attributes, &subject);
        let assertion = Assertion::issue(&done.result, &statement);
        let signing = self.profile.response.signing(relying_party);
        let xml = success(assertion, signing, &self.key).expect("OpenSSL signs");
        self.remember(request, done, &statement);
        STANDARD.encode(xml)
    }

    fn attributes(&self, relying_party: &EntityDescriptor, done: &Success) -> Vec<Attribute> {
        let subject = attribute::Subject {
            username: done.result.username(),
            record: &self.record,
            login: &SourceRecord::new(),
            rp: &self.profile.facts,
            strategies: &*self.rules.strategies,
            now: now(),
        };
        let asking = (relying_party, None);
        release(&self.attributes, &self.profile.plan, &subject, asking).attributes
    }

    fn statement<'a>(
        &self,
        request: &'a AuthnRequest,
        done: &'a Success,
        attributes: &'a [Attribute],
        subject: &'a Subject,
    ) -> Statement<'a> {
        let [response_id, assertion_id, session_index] = &subject.ids;
        Statement {
            issuer: IDP,
            request,
            class: &done.class,
            name_id: &subject.name,
            attributes,
            address: Some([192, 0, 2, 7].into()),
            session_index,
            session_not_on_or_after: None,
            lifetime: self.profile.response.assertion_lifetime,
            assertion_id,
            response_id,
            now: now(),
        }
    }

    /// Where the time goes.
    fn print_parts(&self) {
        let moment = Moment {
            now: now(),
            random: [7; 32],
        };
        let inbound = decode_redirect(&self.query).expect("a good query");
        let accepted = || accept(&inbound, &self.metadata, &self.acceptance, now());
        let (request, entity) = accepted().expect("an acceptable request");
        let done = self.log_in(&request, &moment);
        let attributes = self.attributes(&entity, &done);
        let asking = (&request, &*entity);
        let subject = Subject::new(self, asking, &moment);
        let statement = self.statement(&request, &done, &attributes, &subject);
        let issue = || Assertion::issue(&done.result, &statement);
        let signing = Signing {
            response: true,
            assertion: false,
        };
        let octets = vec![b'x'; 6000];
        part("decode", || decode_redirect(&self.query));
        part("accept", accepted);
        part("decide", || self.log_in(&request, &moment));
        part("release", || self.attributes(&entity, &done));
        part("identifiers", || Subject::new(self, asking, &moment));
        part("issue", issue);
        part("issue, enclose, sign", || {
            success(issue(), signing, &self.key)
        });
        part("audit line", || self.remember(&request, &done, &statement));
        part("base64", || STANDARD.encode(&octets));
    }

    fn remember(&self, request: &AuthnRequest, done: &Success, statement: &Statement<'_>) {
        let exchange = Exchange {
            transaction: "0123456789abcdef",
            client: statement.address,
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            started: statement.now,
            now: statement.now,
            issuer: IDP,
            session: Some("s"),
            shorten_bindings: true,
        };
        let issued = Issued {
            response_id: statement.response_id,
            assertion_id: statement.assertion_id,
            session_index: statement.session_index,
            name_id: statement.name_id,
            attributes: statement.attributes,
            encryption: None,
        };
        let fields = sso_success(&exchange, request, done, &issued);
        std::hint::black_box(self.audit.sso.line(&fields));
    }

    /// Throughput of two threads over that of one.
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark measures elapsed time"
    )]
    fn scaling(&self) -> f64 {
        let timed = |threads: usize| {
            let begin = std::time::Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        (0..5000)
                            .for_each(|number| drop(std::hint::black_box(self.respond(number))));
                    });
                }
            });
            begin.elapsed().as_secs_f64()
        };
        2.0 * timed(1) / timed(2)
    }
}

fn now() -> Timestamp {
    Timestamp::constant(1_795_430_430, 0)
}

fn relying_party() -> String {
    format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{SP}">
<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<AssertionConsumerService index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
 Location="https://sp.example.org/Shibboleth.sso/SAML2/POST"/></SPSSODescriptor></EntityDescriptor>"#
    )
}

fn query() -> String {
    let request = format!(
        r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" AssertionConsumerServiceURL="https://sp.example.org/Shibboleth.sso/SAML2/POST" Destination="{SSO}" ID="_d9d2bdcd8f6bbd8b8cdd4b5ad6bd9d3c" IssueInstant="{}" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Version="2.0"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{SP}</saml:Issuer><samlp:NameIDPolicy AllowCreate="1"/></samlp:AuthnRequest>"#,
        now()
    );
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(request.as_bytes()).expect("memory");
    let deflated = deflate.finish().expect("memory");
    form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &STANDARD.encode(deflated))
        .append_pair("RelayState", "ss:mem:0123456789abcdef")
        .finish()
}

fn session() -> FactorResult {
    let at = now() - Duration::from_mins(5);
    let evidence = PasswordVerified::attest("jdoe".to_owned(), "htpasswd".to_owned(), at);
    let classes = BTreeSet::from([AuthnContextClassRef::new(PASSWORD_PROTECTED_TRANSPORT)]);
    FactorResult::password(evidence, classes, &ClassOrder::default(), at)
}

fn rules() -> Rules {
    let script = ScriptName("mfa/second-factor".to_owned());
    let source = "if mfa.is_acceptable() && !list(\"require-mfa\").contains(rp.id) { return; }\n\
                  \"authn/DuoOIDC\"";
    let policy = Policy::compile(
        &BTreeMap::from([(script.0.clone(), source.to_owned())]),
        &BTreeMap::from([("require-mfa".to_owned(), Vec::new())]),
    )
    .expect("a good script");
    let on = |stage| (stage, On::Event(Event::Proceed));
    let transitions = TransitionMap::new(BTreeMap::from([
        (on(Stage::Start), Target::Flow(FlowId::Password)),
        (on(Stage::After(FlowId::Password)), Target::Script(script)),
        (on(Stage::After(FlowId::DuoOidc)), Target::End),
    ]));
    let flows = [FlowId::Password, FlowId::Mfa];
    Rules {
        top_level: vec![FlowId::Mfa],
        flows: flows
            .into_iter()
            .map(|flow| (flow, descriptor(flow)))
            .collect(),
        transitions,
        classes: ClassOrder::default(),
        ignored_contexts: Vec::new(),
        accept_later_classes: true,
        duo: DuoRules {
            integrations: BTreeMap::new(),
            integration_strategy: None,
            principal_strategy: None,
            username: vestibule::authn::rules::DuoUsername::AsIs,
            health_check: true,
            evidence: EvidenceTable::default(),
            pending_lifetime: Duration::from_mins(5),
            allowed_origins: Vec::new(),
            callback_path: "/idp/profile/Authn/Duo/2FA/duo-callback".to_owned(),
            max_starts: 10,
            passwordless: None,
            fail_mode: vestibule::authn::rules::FailMode::Closed,
            auth_api: None,
            remember: RememberRules::default(),
        },
        strategies: Arc::new(policy),
        step_limit: 100,
    }
}

fn descriptor(flow: FlowId) -> FlowDescriptor {
    FlowDescriptor {
        flow,
        order: 1000,
        passive: true,
        forced: true,
        non_browser: true,
        lifetime: Some(Duration::from_hours(1)),
        inactivity_timeout: Some(Duration::from_mins(30)),
        supported_principals: vec![AuthnContextClassRef::new(PASSWORD_PROTECTED_TRANSPORT)],
        add_default_principals: true,
        reuse_condition: Condition::Constant(true),
        activation_condition: Condition::Constant(true),
    }
}

fn attributes() -> AttributeSettings {
    let definition = |id: &str| Definition {
        id: id.to_owned(),
        name: standard(id)
            .expect("a well-known attribute")
            .name
            .to_owned(),
        source: Source::Named(vec![id.to_owned()], Merge::All),
        rewrites: Vec::new(),
        scope: None,
    };
    let ids = || ATTRIBUTES.iter().map(|(id, _)| *id);
    AttributeSettings {
        definitions: ids().map(definition).collect(),
        release: vec![ReleaseRule {
            name: "everyone".to_owned(),
            to: vec![Audience::Everyone],
            attributes: ids().map(str::to_owned).collect(),
            ..ReleaseRule::default()
        }],
        ..AttributeSettings::default()
    }
}

/// A key's self-signed certificate.
fn certificate(key: &PKey<Private>) -> X509 {
    let make = || {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", "bench")?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
        builder.sign(key, MessageDigest::sha256())?;
        Ok::<_, openssl::error::ErrorStack>(builder.build())
    };
    make().expect("OpenSSL makes certificates")
}
