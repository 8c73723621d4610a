//! The demonstration's home: what `init` makes, users, and how Duo and the SPs are known to it.

use crate::cli::init::{self, InitError};
use crate::cli::user;
use crate::config::settings::Settings;
use crate::server::world::{Random as _, SystemRandom, hex};
use crate::simulator::demo_sp::Site;
use crate::simulator::duo;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Users and passwords of the demonstration.
pub(super) const USERS: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "builder")];

const PEOPLE: &str = "\
uid,mail,displayName,givenName,sn,eduPersonAffiliation
alice,alice@example.org,Alice Liddell,Alice,Liddell,member;staff
bob,bob@example.org,Bob Mason,Bob,Mason,member;student
";

/// A directory of its own that is removed with this value.
pub(super) struct Home(PathBuf);

impl Home {
    /// An empty directory that only this user can enter.
    pub(super) fn make() -> Result<Self, String> {
        let mut random = [0; 8];
        SystemRandom.fill(&mut random);
        let path = std::env::temp_dir().join(format!("vestibule-demo-{}", hex(&random)));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The file with the simulator's certificate authority.
    pub(super) fn duo_ca(&self) -> PathBuf {
        self.0.join("credentials/duo-ca.pem")
    }

    /// Fills it.
    pub(super) fn write(
        &self,
        base_url: &str,
        duo: &duo::Running,
        sites: &[Site],
    ) -> Result<(), String> {
        let wanted = init::Args {
            base_url: base_url.to_owned(),
            entity_id: None,
            scope: "example.org".to_owned(),
            key_size: 2048,
        };
        init::make_home(&self.0, &wanted).map_err(|error| explain(&error))?;
        for (name, password) in USERS {
            user::add(&self.0.join("conf/authn/htpasswd.txt"), name, password)?;
        }
        self.replace("conf/people.csv", PEOPLE)?;
        self.replace("conf/demo.properties", &properties(base_url, duo))?;
        self.append("credentials/secrets.properties", &secrets(duo))?;
        self.replace("credentials/duo-ca.pem", &duo.ca_pem)?;
        for site in sites {
            self.replace(
                &format!("metadata/sp-{}.xml", site.number),
                &site.metadata(),
            )?;
        }
        for site in &sites[1..] {
            self.append("conf/lists/require-mfa.txt", &line(site))?;
        }
        self.append("conf/lists/strict-duo.txt", &line(&sites[2]))
    }

    /// What it says, read as any home is read.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let raw = crate::server::load::read(&self.0);
        crate::config::check(&raw)
            .map(|(settings, _)| settings)
            .map_err(|findings| joined(&findings))
    }

    fn replace(&self, path: &str, text: &str) -> Result<(), String> {
        fs::write(self.0.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))
    }

    fn append(&self, path: &str, text: &str) -> Result<(), String> {
        OpenOptions::new()
            .append(true)
            .open(self.0.join(path))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("cannot write {path}: {error}"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(site: &Site) -> String {
    format!("{}\n", site.entity_id())
}

/// What a deployer would write in several files, here in one that reads at a glance.
fn properties(base_url: &str, duo: &duo::Running) -> String {
    let listen = base_url
        .trim_start_matches("http://")
        .trim_end_matches("/idp");
    let host = &duo.api_host;
    let [first, second, third] =
        [0, 1, 2].map(|number| duo.applications[number].client_id.as_str());
    format!(
        "\
# What the demonstration adds to a new home.
vestibule.http.listen = {listen}
vestibule.storage = memory:

# Duo: the simulator, with one application for most and a stricter one (conf/lists/strict-duo.txt).
vestibule.duo.trustedCertificates = %{{idp.home}}/credentials/duo-ca.pem
vestibule.duo.integrationStrategy = script:duo/integration
vestibule.duo.principalStrategy = script:duo/principals
# What that script may name: it gives the second class for a security key.
idp.authn.DuoOIDC.supportedPrincipals = saml2/https://refeds.org/profile/mfa, \
    saml2/https://refeds.org/profile/phishing-resistant-mfa
idp.duo.oidc.apiHost = {host}
idp.duo.oidc.clientId = {first}
vestibule.duo.integration.strict.apiHost = {host}
vestibule.duo.integration.strict.clientId = {second}
vestibule.duo.integration.strict.displayName = Duo (strict)

# Users may enrol a phone on the account page, the first one with their password.
idp.duo.oidc.nonbrowser.integrationKey = {third}
vestibule.duo.selfService.enabled = true
vestibule.duo.selfService.firstEnrolment = password

# Duo's result, tokens redacted, as an attribute: to look at, and for a demonstration alone.
vestibule.attribute.duoResult.oid = urn:vestibule:duoResult
vestibule.release.demo.to = *
vestibule.release.demo.attributes = duoResult
"
    )
}

fn secrets(duo: &duo::Running) -> String {
    let keys = [
        "idp.duo.oidc.secretKey",
        "vestibule.duo.integration.strict.secretKey",
        "idp.duo.oidc.nonbrowser.secretKey",
    ];
    let secrets = keys.iter().zip(&duo.applications);
    let line = |(key, application): (&&str, &duo::Application)| {
        format!("{key} = {}\n", application.client_secret.expose())
    };
    secrets.map(line).collect()
}

fn explain(error: &InitError) -> String {
    match error {
        InitError::Exists(path) => format!("{} is there already", path.display()),
        InitError::Wrong(findings) => joined(findings),
        InitError::Failed(reason) => reason.clone(),
    }
}

fn joined(findings: &[crate::config::error::ConfigError]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
