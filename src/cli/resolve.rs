//! `vestibule resolve`: what a relying party would be told of a user, and why.

use crate::attribute::{
    self, Attribute, Definition, LOGIN, Merge, Outcome, Resolved, Source, SourceRecord, Subject,
    Unusable, Withheld,
};
use crate::authn::event::Event;
use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::config::relying_party::{Ground, Profile};
use crate::config::settings::Settings;
use crate::response::name_id::{Asked, Needed};
use crate::saml::metadata::{Document, EntityDescriptor, MetadataSet};
use crate::saml::name_id::NameId;
use crate::saml::request::{AuthnRequest, Unsolicited, unsolicited};
use crate::server::back_end::PersistentIdOf;
use crate::server::back_end::directory::join;
use crate::server::metadata::Metadata;
use crate::server::world::{
    BackEnds as _, Clock as _, RealBackEnds, SystemClock, attribute_source,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Whom to tell of whom.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user's name.
    #[arg(long)]
    user: String,
    /// The relying party's entityID.
    #[arg(long, value_name = "ENTITYID")]
    rp: String,
    /// The NameID format that the relying party asks for.
    #[arg(long, value_name = "URI")]
    format: Option<String>,
    /// The AttributeConsumingServiceIndex that it asks for.
    #[arg(long, value_name = "NUMBER")]
    index: Option<u16>,
    /// A fact of the login, such as login.method=authn/DuoOIDC.
    #[arg(long, value_name = "NAME=VALUE", value_parser = fact)]
    login: Vec<(String, String)>,
}

/// What stands in for the random part of a transient NameID.
const FRESH: &str = "fresh-random-value";

fn fact(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| name.starts_with(LOGIN))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("write {LOGIN}NAME=VALUE"))
}

/// Prints it; 1 when the relying party is not known, or would be refused.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match Answer::new(&settings, args) {
        Ok(answer) => {
            answer.print(context);
            ExitCode::from(if answer.name_id.is_ok() {
                0
            } else {
                EXIT_FOUND
            })
        }
        Err(reason) => {
            say_error(&format!("error: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

/// Everything there is to say.
struct Answer<'a> {
    args: &'a Args,
    settings: &'a Settings,
    profile: Profile,
    known_by: KnownBy,
    name_id: Result<NameId, Event>,
    attributes: Vec<Resolved>,
}

impl<'a> Answer<'a> {
    fn new(settings: &'a Settings, args: &'a Args) -> Result<Self, String> {
        let now = SystemClock.now();
        let (entity, record, known_by) = look_up(settings, args, now)?;
        let ground = Ground {
            attributes: &settings.attributes,
            strategies: &*settings.rules.strategies,
            now,
        };
        let profile = settings.relying_parties.profile_for(&entity, &ground);
        let profile = profile.map_err(|reason| reason.to_string())?;
        let login = facts(args);
        let subject = Subject {
            username: &args.user,
            record: &record,
            login: &login,
            rp: &profile.facts,
            strategies: &*settings.rules.strategies,
            now,
        };
        let asking = (&*entity, args.index);
        let attributes = attribute::explain(&settings.attributes, &profile.plan, &subject, asking);
        let released = released(&attributes);
        let asked = Asked {
            request: &request(settings, args, &entity, now)?,
            relying_party: &entity,
            issuer: &settings.entity_id,
            record: &profile.name_ids.record(&settings.attributes, &subject),
            released: &released,
            token: FRESH,
            stored: None,
        };
        let stored = match profile.name_ids.needs(&asked) {
            Some(needed) => stored_id(settings, args, needed)?,
            None => None,
        };
        let stored = stored.as_deref();
        let name_id = profile.name_ids.name_id(&Asked { stored, ..asked });
        Ok(Self {
            args,
            settings,
            profile,
            known_by,
            name_id,
            attributes,
        })
    }

    fn print(&self, context: &Context) {
        if context.json {
            return say(&self.json().to_string());
        }
        say(&format!("user           {}", self.args.user.escape_debug()));
        say(&format!("relying party  {}", self.args.rp.escape_debug()));
        let overrides = match &self.profile.overrides[..] {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        say(&format!("overrides      {overrides}"));
        match &self.name_id {
            Ok(name) => {
                say(&format!("NameID         {}", name.value.escape_debug()));
                say(&format!("    format     {}", name.format));
            }
            Err(event) => say(&format!("NameID         none: the login ends with {event}")),
        }
        for (definition, resolved) in self.defined() {
            print_attribute(definition, resolved, &self.known_by);
        }
    }

    fn defined(&self) -> impl Iterator<Item = (&Definition, &Resolved)> {
        let definitions = &self.settings.attributes.definitions;
        definitions.iter().zip(&self.attributes)
    }

    fn json(&self) -> Value {
        let name_id = match &self.name_id {
            Ok(name) => json!({
                "format": name.format,
                "value": name.value,
                "name_qualifier": name.name_qualifier,
                "sp_name_qualifier": name.sp_name_qualifier,
            }),
            Err(event) => json!({ "event": event.as_str() }),
        };
        let attributes: Vec<Value> = self
            .defined()
            .map(|(definition, resolved)| described(definition, resolved, &self.known_by))
            .collect();
        json!({
            "user": self.args.user,
            "relying_party": self.args.rp,
            "overrides": self.profile.overrides,
            "name_id": name_id,
            "attributes": attributes,
        })
    }
}

/// The attributes with what of them goes out.
fn released(resolved: &[Resolved]) -> Vec<Attribute> {
    let released = resolved.iter().map(|one| Attribute {
        values: one.released.clone(),
        ..one.attribute.clone()
    });
    released.collect()
}

/// Which sources know a source attribute of the user, by its name.
type KnownBy = BTreeMap<String, Vec<String>>;

fn look_up(
    settings: &Settings,
    args: &Args,
    now: Timestamp,
) -> Result<(Arc<EntityDescriptor>, SourceRecord, KnownBy), String> {
    let runtime = runtime()?;
    let metadata = Metadata::open(&settings.metadata, now);
    runtime.block_on(metadata.prepare(&args.rp, now));
    let snapshot = metadata.current();
    let (_, entity) = snapshot
        .find(&args.rp)
        .filter(|(_, entity)| entity.valid_until.is_none_or(|until| now < until))
        .ok_or("this relying party is not in metadata, or no longer valid there")?;
    let (mut joined, mut known_by) = (SourceRecord::new(), KnownBy::new());
    for source in &settings.attribute_sources {
        let record = attribute_source(settings, source)?;
        let record = runtime.block_on(record.record(&args.user));
        let record = record.map_err(|error| error.to_string())?;
        for attribute in record.keys() {
            let known = known_by.entry(attribute.clone()).or_default();
            known.push(source.name().to_owned());
        }
        join(&mut joined, record);
    }
    Ok((entity, joined, known_by))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

/// The identifier that is kept, or what a new one would be: none is created here.
fn stored_id(settings: &Settings, args: &Args, needed: Needed) -> Result<Option<String>, String> {
    let Some(ids) = RealBackEnds.persistent_ids(settings)? else {
        return Ok(None);
    };
    let of = PersistentIdOf {
        issuer: &settings.entity_id,
        relying_party: &args.rp,
        username: &args.user,
        local_id: &needed.local_id,
    };
    let kept = runtime()?.block_on(ids.find_or_create(of, &[]));
    let kept = kept.map_err(|error| error.to_string())?;
    let new = || Some(needed.initial.unwrap_or_else(|| FRESH.to_owned()));
    Ok(kept.or_else(new))
}

fn facts(args: &Args) -> SourceRecord {
    let mut facts = SourceRecord::new();
    for (name, value) in &args.login {
        facts.entry(name.clone()).or_default().push(value.clone());
    }
    facts
}

/// The request that a portal's link would make. Nothing is proved by it, so that a relying party
/// whose requests must be signed can be looked at too.
fn request(
    settings: &Settings,
    args: &Args,
    entity: &EntityDescriptor,
    now: Timestamp,
) -> Result<AuthnRequest, String> {
    let mut entity = entity.clone();
    entity.sp.authn_requests_signed = false;
    let mut acceptance = settings.acceptance.clone();
    acceptance.require_signed = false;
    let mut metadata = MetadataSet::new();
    metadata.add(Document {
        entities: vec![entity],
        ..Document::default()
    });
    let link = Unsolicited {
        provider_id: args.rp.clone(),
        ..Unsolicited::default()
    };
    let made = unsolicited(&link, &metadata, &acceptance, now);
    let (mut request, _) = made.map_err(|_| "this relying party has nowhere to answer to")?;
    request.name_id_policy.format.clone_from(&args.format);
    Ok(request)
}

fn print_attribute(definition: &Definition, resolved: &Resolved, known_by: &KnownBy) {
    let verdict = match resolved.outcome {
        Outcome::Released { .. } => "released",
        Outcome::Withheld(_) => "withheld",
    };
    let shown = |values: &[String]| {
        let shown = values.iter().map(|value| value.escape_debug().to_string());
        shown.collect::<Vec<_>>().join("; ")
    };
    let attribute = &resolved.attribute;
    say(&format!("{verdict}       {}", attribute.id));
    say(&format!("    source     {}", source(&definition.source)));
    let sources = sources(&definition.source, known_by);
    if !sources.is_empty() {
        say(&format!("    known by   {}", sources.join(", ")));
    }
    if !attribute.values.is_empty() {
        say(&format!("    values     {}", shown(&attribute.values)));
    }
    if !resolved.released.is_empty() && resolved.released != attribute.values {
        say(&format!("    released   {}", shown(&resolved.released)));
    }
    say(&format!("    because    {}", because(&resolved.outcome)));
    for unusable in &resolved.unusable {
        say(&format!("    dropped    {}", dropped(unusable)));
    }
}

fn described(definition: &Definition, resolved: &Resolved, known_by: &KnownBy) -> Value {
    let rule = match &resolved.outcome {
        Outcome::Released { rule, .. } | Outcome::Withheld(Withheld::Denied(rule)) => Some(rule),
        Outcome::Withheld(_) => None,
    };
    let dropped: Vec<&str> = resolved.unusable.iter().map(dropped).collect();
    json!({
        "id": resolved.attribute.id,
        "name": resolved.attribute.name,
        "source": source(&definition.source),
        "known_by": sources(&definition.source, known_by),
        "values": resolved.attribute.values,
        "released": resolved.released,
        "rule": rule,
        "because": because(&resolved.outcome),
        "dropped": dropped,
    })
}

fn source(source: &Source) -> String {
    match source {
        Source::Named(names, Merge::All) => names.join(" and "),
        Source::Named(names, Merge::First) => names.join(" or else "),
        Source::Constant(_) => "the same for everyone".to_owned(),
        Source::Template(template) => {
            let names: Vec<&str> = template.sources().collect();
            format!("a template of {}", names.join(", "))
        }
        Source::Script(script) => format!("script:{script}"),
        Source::Pairwise(name, _) => format!("computed from {name} for this relying party"),
    }
}

/// The sources that know what the values are made of.
fn sources<'k>(source: &Source, known_by: &'k KnownBy) -> Vec<&'k str> {
    let names: Vec<&str> = match source {
        Source::Named(names, _) => names.iter().map(String::as_str).collect(),
        Source::Template(template) => template.sources().collect(),
        Source::Pairwise(name, _) => vec![name],
        Source::Constant(_) | Source::Script(_) => Vec::new(),
    };
    let known = names.into_iter().filter_map(|name| known_by.get(name));
    let mut sources: Vec<&str> = known.flatten().map(String::as_str).collect();
    sources.dedup();
    sources
}

fn because(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Released { rule, because } => format!("rule {rule}, which is for {because}"),
        Outcome::Withheld(Withheld::NoValue) => "the user has no value for it".to_owned(),
        Outcome::Withheld(Withheld::NoRule) => "no rule releases it here".to_owned(),
        Outcome::Withheld(Withheld::Denied(rule)) => format!("rule {rule} withholds it"),
        Outcome::Withheld(Withheld::NoSuchValue) => {
            "rules release it, but none of these values: not requested, or no match".to_owned()
        }
    }
}

fn dropped(unusable: &Unusable) -> &str {
    match unusable {
        Unusable::Characters => "a value with characters that XML cannot carry",
        Unusable::Syntax => "a value that is no subject identifier",
        Unusable::Script(reason) => reason,
    }
}
