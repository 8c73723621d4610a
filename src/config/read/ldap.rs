//! `idp.authn.LDAP.*` and `idp.attribute.resolver.LDAP.*`: the directory.

use super::identity::is_loopback;
use crate::config::ldap::{
    DnResolution, LdapBind, LdapDirectorySettings, LdapPasswordSettings, LdapSearch, LdapServers,
    PasswordValidator,
};
use crate::config::reader::Reader;
use crate::duo::secret::Secret;
use url::Url;

const AUTHN: &str = "idp.authn.LDAP";
const RESOLVER: &str = "idp.attribute.resolver.LDAP";
const VALIDATORS: &str = "vestibule.password.validators";

/// Who checks passwords, in order; LDAP's settings when it is among them.
pub(super) fn password(
    reader: &mut Reader<'_>,
) -> (Vec<PasswordValidator>, Option<LdapPasswordSettings>) {
    let mut validators = Vec::new();
    for word in reader.required_list(VALIDATORS) {
        match word.as_str() {
            "htpasswd" => validators.push(PasswordValidator::Htpasswd),
            "ldap" => validators.push(PasswordValidator::Ldap),
            _ => reader.wrong(VALIDATORS, &word, "write htpasswd, ldap, or both"),
        }
    }
    let wanted = validators.contains(&PasswordValidator::Ldap);
    let servers = servers(reader, AUTHN, wanted);
    let dn = resolution(reader, wanted);
    let settings = wanted.then_some(()).and_then(|()| {
        Some(LdapPasswordSettings {
            servers: servers?,
            dn: dn?,
        })
    });
    (validators, settings)
}

/// The attribute source, when an address of its own or the password's is to be used.
pub(super) fn directory(reader: &mut Reader<'_>) -> Option<LdapDirectorySettings> {
    let key = |part: &str| format!("{RESOLVER}.{part}");
    let wanted = reader.values.written(&key("ldapURL")).is_some();
    let servers = servers(reader, RESOLVER, wanted);
    let search = search(reader, RESOLVER, "searchFilter", wanted);
    let attributes = reader.list(&key("returnAttributes"));
    let attributes: Vec<String> = attributes
        .iter()
        .flat_map(|list| list.split_ascii_whitespace().map(str::to_owned))
        .collect();
    let bind = bind(reader, RESOLVER);
    let (servers, search) = (servers?, LdapSearch { bind, ..search? });
    wanted.then_some(LdapDirectorySettings {
        servers,
        search,
        attributes,
    })
}

fn resolution(reader: &mut Reader<'_>, wanted: bool) -> Option<DnResolution> {
    let authenticator = reader.choice(&format!("{AUTHN}.authenticator"))?;
    let searches = wanted && authenticator != "directAuthenticator";
    let search = search(reader, AUTHN, "userFilter", searches);
    let format = reader.parsed(&format!("{AUTHN}.dnFormat"), |text| {
        (text.matches("%s").count() == 1).then(|| text.to_owned())
    });
    let bind = bind(reader, AUTHN);
    match authenticator.as_str() {
        "directAuthenticator" => {
            let missing = format.is_none();
            if wanted && missing {
                needed(reader, &format!("{AUTHN}.dnFormat"));
            }
            format.map(DnResolution::Format)
        }
        "bindSearchAuthenticator" => {
            if wanted && bind.is_none() {
                needed(reader, &format!("{AUTHN}.bindDN"));
                return None;
            }
            search.map(|search| DnResolution::Search(LdapSearch { bind, ..search }))
        }
        _ => search.map(DnResolution::Search),
    }
}

fn search(reader: &mut Reader<'_>, of: &str, filter: &str, wanted: bool) -> Option<LdapSearch> {
    let base_key = format!("{of}.baseDN");
    let base = reader.text(&base_key);
    let subtree = reader.flag(&format!("{of}.subtreeSearch"));
    let filter_key = format!("{of}.{filter}");
    let filter = reader.parsed(&filter_key, |text| {
        // Shibboleth writes the user as a Velocity variable in the resolver's filter.
        let text = text.replace("$resolutionContext.principal", "{user}");
        let balanced = text.matches('(').count() == text.matches(')').count();
        (text.contains("{user}") && balanced && text.starts_with('(')).then_some(text)
    });
    if wanted && base.is_none() {
        needed(reader, &base_key);
    }
    if wanted && filter.is_none() && reader.values.written(&filter_key).is_none() {
        needed(reader, &filter_key);
    }
    Some(LdapSearch {
        base: base?,
        subtree: subtree?,
        filter: filter?,
        bind: None,
    })
}

fn bind(reader: &mut Reader<'_>, of: &str) -> Option<LdapBind> {
    let (dn_key, credential_key) = (format!("{of}.bindDN"), format!("{of}.bindDNCredential"));
    let dn = reader.text(&dn_key);
    let own = reader.text(&credential_key);
    let credential = own.or_else(|| reader.text(&format!("{AUTHN}.bindDNCredential")));
    // A DN without a password would be an unauthenticated bind (RFC 4513 5.1.2).
    if dn.is_some() && credential.is_none() {
        needed(reader, &credential_key);
    }
    Some(LdapBind {
        dn: dn?,
        credential: Secret::new(credential?),
    })
}

fn servers(reader: &mut Reader<'_>, of: &str, wanted: bool) -> Option<LdapServers> {
    let key = |part: &str| format!("{of}.{part}");
    let start_tls = reader.flag(&key("useStartTLS"));
    let urls = urls(reader, &key("ldapURL"), start_tls == Some(true), wanted);
    let trusted = reader.file(&key("trustCertificates"));
    let connect_timeout = reader.duration(&key("connectTimeout"));
    let response_timeout = reader.duration(&key("responseTimeout"));
    let connections = reader.parsed("idp.pool.LDAP.maxSize", |text| {
        text.parse().ok().filter(|size| *size > 0)
    });
    if reader.values.written(&key("trustCertificates")).is_some() && trusted.is_none() {
        return None;
    }
    Some(LdapServers {
        urls: urls?,
        start_tls: start_tls?,
        trusted,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        connections: connections?,
    })
}

/// Passwords and personal data go nowhere unencrypted (attack S56).
fn urls(reader: &mut Reader<'_>, key: &str, start_tls: bool, wanted: bool) -> Option<Vec<String>> {
    let text = reader.text(key).unwrap_or_default();
    let urls: Vec<String> = text
        .split([' ', ','])
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .collect();
    if urls.is_empty() {
        if wanted {
            needed(reader, key);
        }
        return None;
    }
    for url in &urls {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let scheme = parsed.as_ref().map(Url::scheme).unwrap_or_default();
        let near = parsed
            .as_ref()
            .and_then(Url::host)
            .is_some_and(|host| near(&host));
        match scheme {
            "ldaps" => {}
            "ldap" if start_tls || near => {}
            "ldap" => reader.error(
                key,
                "ldap:// without StartTLS",
                "ldaps://, or useStartTLS = true",
                "switch TLS on: passwords would go over the network readable",
            ),
            _ => reader.error(
                key,
                "no LDAP URL",
                "ldap://HOST or ldaps://HOST",
                "correct it",
            ),
        }
    }
    Some(urls)
}

/// The URL parser takes hosts of schemes it does not know as opaque names.
fn near(host: &url::Host<&str>) -> bool {
    let text = host.to_string();
    let address = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    is_loopback(host) || address.is_ok_and(|address| address.is_loopback())
}

fn needed(reader: &mut Reader<'_>, key: &str) {
    reader.error(
        key,
        "no value",
        "what the directory needs",
        format!("set {key}"),
    );
}
