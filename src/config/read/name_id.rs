//! How NameIDs are made.

use super::relying_party::format;
use super::sql::Databases;
use crate::attribute::pairwise::{Encoding, Salt};
use crate::config::reader::Reader;
use crate::config::sql::PersistentIdTable;
use crate::response::name_id::{Computed, Maker, NameIdRules};
use crate::saml::name_id::{PERSISTENT, TRANSIENT};

const GENERATOR: &str = "idp.persistentId.generator";
const DATA_SOURCE: &str = "idp.persistentId.dataSource";
const FORMATS: &str = "vestibule.nameid.formats";
const SOURCE: &str = "idp.persistentId.sourceAttribute";

/// How NameIDs are made, and where persistent ones are kept if they are.
pub(super) fn read(
    reader: &mut Reader<'_>,
    salt: Option<&Salt>,
    databases: &Databases,
) -> (Option<NameIdRules>, Option<PersistentIdTable>) {
    let stored = reader
        .choice(GENERATOR)
        .is_some_and(|generator| generator.contains("Stored"));
    let table = table(reader, stored, databases);
    (rules(reader, salt, stored), table)
}

/// `idp.persistentId.dataSource` is a bean's name in Shibboleth; here it is a database's.
fn table(
    reader: &mut Reader<'_>,
    stored: bool,
    databases: &Databases,
) -> Option<PersistentIdTable> {
    let name = reader.text(DATA_SOURCE);
    let table = reader.parsed("vestibule.persistentId.table", |text| {
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let mut parts = text.split('.');
        (parts.clone().count() <= 2 && parts.all(word)).then(|| text.to_owned())
    });
    if !stored {
        if name.is_some() {
            let fix = format!("set {GENERATOR} = shibboleth.StoredPersistentIdGenerator");
            reader.warn(
                DATA_SOURCE,
                "a database, while identifiers are computed",
                fix,
            );
        }
        return None;
    }
    let known = databases
        .iter()
        .find(|(database, _)| Some(&database.name) == name.as_ref());
    if known.is_none() {
        let found = name.map_or("no value".to_owned(), |name| {
            format!("{name}, which is no database here")
        });
        let fix = "write the NAME of a vestibule.sql.NAME.url";
        reader.error(DATA_SOURCE, found, "where identifiers are kept", fix);
    }
    Some(PersistentIdTable {
        database: known?.0.clone(),
        table: table?,
    })
}

fn rules(reader: &mut Reader<'_>, salt: Option<&Salt>, stored: bool) -> Option<NameIdRules> {
    let encoding = match reader.choice("idp.persistentId.encoding")?.as_str() {
        "BASE64" => Encoding::Base64,
        _ => Encoding::Base32,
    };
    let sources = reader.list(SOURCE);
    let initial = reader.choice("idp.persistentId.computed")?;
    let has_source = !sources.is_empty();
    let computed = salt.filter(|_| has_source).map(|salt| Computed {
        sources: sources.clone(),
        salt: salt.clone(),
        encoding,
    });
    let persistent = if stored {
        let initial = computed.filter(|_| initial != "none");
        has_source.then_some(Maker::Stored { sources, initial })
    } else {
        computed.map(Maker::Persistent)
    };
    let mut names = reader.list(FORMATS);
    if names.is_empty() {
        names = what_can_be_made(reader, persistent.is_some());
    }
    let makers: Vec<Maker> = names
        .iter()
        .filter_map(|name| maker(reader, name, persistent.as_ref()))
        .collect();
    let default_format = reader.parsed("idp.nameid.saml2.default", format)?;
    if !makers.iter().any(|maker| maker.format() == default_format) && !makers.is_empty() {
        let found = format!("{default_format}, which is not in {FORMATS}");
        let fix = format!("add it to {FORMATS}, or name one that is there");
        let key = "idp.nameid.saml2.default";
        reader.error(key, found, "a format that can be made", fix);
    }
    Some(NameIdRules {
        makers,
        default_format,
    })
}

/// Without a list: every well-known format that there is something for.
fn what_can_be_made(reader: &mut Reader<'_>, persistent: bool) -> Vec<String> {
    let mut has_source = |name: &str| {
        let sources = reader.list(&format!("vestibule.nameid.{name}.attribute"));
        !sources.is_empty()
    };
    let from_attributes = ["emailAddress", "unspecified"].map(|name| (name, has_source(name)));
    let persistent = ("persistent", persistent);
    let formats = [("transient", true), persistent]
        .into_iter()
        .chain(from_attributes);
    formats
        .filter(|(_, can)| *can)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn maker(reader: &mut Reader<'_>, name: &str, persistent: Option<&Maker>) -> Option<Maker> {
    let key = |part: &str| format!("vestibule.nameid.{name}.{part}");
    let own_format = reader.parsed(&key("format"), format);
    let sources = reader.list(&key("attribute"));
    let unfiltered = reader.flag(&key("useUnfilteredAttributes"))?;
    let Some(format) = own_format.or_else(|| format(name)) else {
        let fix = format!("add the line `{} = URI`", key("format"));
        reader.wrong(FORMATS, name, fix);
        return None;
    };
    match format.as_str() {
        TRANSIENT => Some(Maker::Transient),
        PERSISTENT if sources.is_empty() => {
            if persistent.is_none() {
                let found = "persistent without a salt or without a source";
                let expected = "a secret and an attribute that never changes";
                let fix = format!("set idp.persistentId.salt and {SOURCE}");
                reader.error(FORMATS, found, expected, fix);
            }
            persistent.cloned()
        }
        _ if sources.is_empty() => {
            let fix = format!("add the line `{} = ...`", key("attribute"));
            let found = "a format without an attribute";
            reader.error(&key("attribute"), found, "names of attributes", fix);
            None
        }
        _ => Some(Maker::Attribute {
            format,
            sources,
            unfiltered,
        }),
    }
}
