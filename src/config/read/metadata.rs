//! `vestibule.metadata.*`: sources of relying parties' metadata.

use super::identity::is_loopback;
use crate::config::metadata::{
    EntityAttributeRule, Mdq, MetadataSettings, Origin, ProviderSettings, Refresh, trusted_keys,
};
use crate::config::reader::Reader;
use crate::policy::lists;
use std::collections::BTreeSet;
use std::path::PathBuf;
use url::Url;

const PROVIDERS: &str = "vestibule.metadata.providers";

/// The keys of which a provider has exactly one.
const ORIGINS: [&str; 4] = ["file", "folder", "url", "mdq"];

pub(super) fn read(reader: &mut Reader<'_>) -> Option<MetadataSettings> {
    let poll_interval = reader.duration("vestibule.metadata.pollInterval");
    let home = PathBuf::from(&reader.raw.home);
    let mut providers = vec![ProviderSettings::folder(home.join("metadata"))];
    let names = reader.list(PROVIDERS);
    for (at, name) in names.iter().enumerate() {
        if name == "metadata" || names[..at].contains(name) || !is_name(name) {
            let fix = "use letters, digits, - and _, each name once, and another than metadata";
            reader.wrong(PROVIDERS, name, fix);
        } else {
            providers.extend(provider(reader, name));
        }
    }
    unlisted(reader, &names);
    Some(MetadataSettings {
        poll_interval: poll_interval?,
        copies: home.join("db/metadata"),
        providers,
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    !name.is_empty() && name.chars().all(plain)
}

/// Settings of a provider that is not in the list would silently do nothing.
fn unlisted(reader: &mut Reader<'_>, names: &[String]) {
    for name in reader.values.names_under("vestibule.metadata.") {
        if ["providers", "pollInterval"].contains(&name.as_str()) || names.contains(&name) {
            continue;
        }
        let prefix = format!("vestibule.metadata.{name}.");
        let key = reader.values.keys().find_map(|(key, placed)| {
            (key.starts_with(&prefix) && !placed.value.is_empty()).then(|| key.to_owned())
        });
        if let Some(key) = key {
            reader.error(
                &key,
                format!("a provider {name} that {PROVIDERS} does not name"),
                format!("a name of {PROVIDERS}"),
                format!("add {name} to {PROVIDERS}, or remove its lines"),
            );
        }
    }
}

fn provider(reader: &mut Reader<'_>, name: &str) -> Option<ProviderSettings> {
    let key = |part: &str| format!("vestibule.metadata.{name}.{part}");
    let certificates = certificates(reader, &key("certificate"));
    let signed = reader.values.written(&key("certificate")).is_some();
    let origin = origin(reader, &key, signed);
    let require_valid_until = reader.flag(&key("requireValidUntil"));
    let max_validity = reader.duration(&key("maxValidityInterval"));
    let refresh = refresh(reader, &key);
    let backing_file = reader.text(&key("backingFile"));
    let default = format!("db/metadata/{name}.xml");
    let backing_file = PathBuf::from(backing_file.unwrap_or(default));
    let connection_timeout = reader.duration(&key("connectionTimeout"));
    let socket_timeout = reader.duration(&key("socketTimeout"));
    let allow = entities(reader, &key("allow"));
    let deny = entities(reader, &key("deny"));
    let entity_attributes = entity_attributes(reader, &key("entityAttribute."));
    if signed && certificates.is_none() {
        return None;
    }
    Some(ProviderSettings {
        name: name.to_owned(),
        origin: origin?,
        certificates,
        require_valid_until: require_valid_until? || max_validity.is_some(),
        max_validity,
        refresh: refresh?,
        backing_file: reader.below_home(&backing_file),
        connection_timeout: connection_timeout?,
        socket_timeout: socket_timeout?,
        allow,
        deny: deny.unwrap_or_default(),
        entity_attributes,
    })
}

fn certificates(reader: &mut Reader<'_>, key: &str) -> Option<Vec<u8>> {
    let pem = reader.file(key)?;
    if trusted_keys(&pem).is_empty() {
        reader.error(
            key,
            "a file without a readable certificate",
            "PEM certificates",
            "fetch the federation's signing certificate again",
        );
        return None;
    }
    Some(pem)
}

fn origin(reader: &mut Reader<'_>, key: &impl Fn(&str) -> String, signed: bool) -> Option<Origin> {
    let written = |part: &&&str| reader.values.written(&key(part)).is_some();
    let given: Vec<&str> = ORIGINS.iter().filter(written).copied().collect();
    let sha1 = reader.choice(&key("mdqForm"));
    let negative = reader.duration(&key("negativeCacheDuration"));
    // All are read, so that each is known; the checks above decide which one counts.
    let file = reader.path(&key("file"));
    let folder = reader.path(&key("folder"));
    let url = address(reader, &key("url"), signed);
    let mdq = address(reader, &key("mdq"), signed);
    let [only] = given[..] else {
        let found = match given.len() {
            0 => "none of file, folder, url and mdq".to_owned(),
            _ => given.join(" and "),
        };
        let place = key(given.first().unwrap_or(&"file"));
        reader.error(
            &place,
            found,
            "exactly one of file, folder, url and mdq",
            "keep one line",
        );
        return None;
    };
    match only {
        "file" => file.map(Origin::File),
        "folder" => folder.map(Origin::Folder),
        "url" => url.map(Origin::Url),
        _ => Some(Origin::Mdq(Mdq {
            base: mdq?.trim_end_matches('/').to_owned(),
            sha1: sha1? == "sha1",
            negative: negative?,
        })),
    }
}

/// Without a signature, TLS alone says whose metadata it is.
fn address(reader: &mut Reader<'_>, key: &str, signed: bool) -> Option<String> {
    let text = reader.text(key)?;
    let url = Url::parse(&text).ok().filter(Url::has_host);
    let plain = url
        .as_ref()
        .is_some_and(|url| url.username().is_empty() && url.fragment().is_none());
    let scheme = url.as_ref().map(Url::scheme).unwrap_or_default();
    let near = url
        .as_ref()
        .and_then(Url::host)
        .is_some_and(|host| is_loopback(&host));
    match scheme {
        "https" if plain => Some(text),
        "http" if plain && (signed || near) => Some(text),
        "http" if plain => {
            reader.error(
                key,
                "http without a certificate to verify the document with",
                "https, or a certificate beside it",
                "write https://, or set the certificate of this provider",
            );
            None
        }
        _ => {
            reader.wrong(key, &text, "write https://, a host and a path");
            None
        }
    }
}

fn refresh(reader: &mut Reader<'_>, key: &impl Fn(&str) -> String) -> Option<Refresh> {
    let is_mdq = reader.values.written(&key("mdq")).is_some();
    let delay = |reader: &mut Reader<'_>, part: &str, seconds: [u64; 2]| {
        let key = key(part);
        let written = reader.values.written(&key).is_some();
        let read = reader.duration(&key);
        let default = std::time::Duration::from_secs(seconds[usize::from(is_mdq)]);
        if written { read } else { Some(default) }
    };
    let min = delay(reader, "minRefreshDelay", [300, 600]);
    let max = delay(reader, "maxRefreshDelay", [4 * 3600, 8 * 3600]);
    let factor = reader.parsed(&key("refreshDelayFactor"), |text| {
        text.parse()
            .ok()
            .filter(|factor| *factor > 0.0 && *factor < 1.0)
    });
    let (min, max) = (min?, max?);
    if min > max {
        let found = "a time longer than maxRefreshDelay";
        reader.error(
            &key("minRefreshDelay"),
            found,
            "at most maxRefreshDelay",
            "lower it",
        );
    }
    Some(Refresh {
        min,
        max,
        factor: factor?,
    })
}

/// entityIDs, and `list:NAME` for those of `conf/lists/NAME.txt`; `None` when nothing is written.
fn entities(reader: &mut Reader<'_>, key: &str) -> Option<BTreeSet<String>> {
    let words = reader.list(key);
    if words.is_empty() {
        return None;
    }
    let mut entities = BTreeSet::new();
    for word in words {
        let Some(name) = word.strip_prefix("list:") else {
            entities.insert(word);
            continue;
        };
        let path = format!("conf/lists/{name}.txt");
        if let Some(octets) = reader.raw.files.get(&path) {
            entities.extend(lists::parse(&String::from_utf8_lossy(octets)));
        } else {
            let found = format!("list:{name}, which does not exist");
            let fix = format!("write the file {path}");
            reader.error(key, found, "a list of conf/lists", fix);
        }
    }
    Some(entities)
}

fn entity_attributes(reader: &mut Reader<'_>, prefix: &str) -> Vec<EntityAttributeRule> {
    let rules = reader.values.names_under(prefix);
    rules
        .iter()
        .filter_map(|rule| {
            let key = |part: &str| format!("{prefix}{rule}.{part}");
            let name = reader.text(&key("name"));
            let values = reader.required_list(&key("values"));
            let entities = entities(reader, &key("entities"));
            Some(EntityAttributeRule {
                name: name?,
                values,
                entities,
            })
        })
        .collect()
}
