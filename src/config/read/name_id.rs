//! How NameIDs are made.

use super::relying_party::format;
use crate::attribute::pairwise::{Encoding, Salt};
use crate::config::reader::Reader;
use crate::response::name_id::{Computed, Maker, NameIdRules};
use crate::saml::name_id::{PERSISTENT, TRANSIENT};

const FORMATS: &str = "vestibule.nameid.formats";
const SOURCE: &str = "idp.persistentId.sourceAttribute";

pub(super) fn read(reader: &mut Reader<'_>, salt: Option<&Salt>) -> Option<NameIdRules> {
    let encoding = match reader.choice("idp.persistentId.encoding")?.as_str() {
        "BASE64" => Encoding::Base64,
        _ => Encoding::Base32,
    };
    let sources = reader.list(SOURCE);
    let computed = salt.filter(|_| !sources.is_empty()).map(|salt| Computed {
        sources,
        salt: salt.clone(),
        encoding,
    });
    let mut names = reader.list(FORMATS);
    if names.is_empty() {
        names = what_can_be_made(reader, computed.is_some());
    }
    let makers: Vec<Maker> = names
        .iter()
        .filter_map(|name| maker(reader, name, computed.as_ref()))
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
fn what_can_be_made(reader: &mut Reader<'_>, computed: bool) -> Vec<String> {
    let mut has_source = |name: &str| {
        let sources = reader.list(&format!("vestibule.nameid.{name}.attribute"));
        !sources.is_empty()
    };
    let from_attributes = ["emailAddress", "unspecified"].map(|name| (name, has_source(name)));
    let persistent = ("persistent", computed);
    let formats = [("transient", true), persistent]
        .into_iter()
        .chain(from_attributes);
    formats
        .filter(|(_, can)| *can)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn maker(reader: &mut Reader<'_>, name: &str, computed: Option<&Computed>) -> Option<Maker> {
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
            if computed.is_none() {
                let found = "persistent without a salt or without a source";
                let expected = "a secret and an attribute that never changes";
                let fix = format!("set idp.persistentId.salt and {SOURCE}");
                reader.error(FORMATS, found, expected, fix);
            }
            computed.cloned().map(Maker::Persistent)
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
