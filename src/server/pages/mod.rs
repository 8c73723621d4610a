//! What users see: templates compiled once for each generation, texts in their language.
//!
//! Whatever comes from outside is escaped by the engine. An operator's template that does not
//! compile or render refuses the configuration; nobody finds out in the middle of a login.

pub mod account;
mod logout;
pub mod messages;
pub mod qr;
mod templates;

pub use logout::{CarryView, LoggedOutView, LogoutView, PartyView, TellingView, WayBack};

use crate::attribute::Attribute;
use crate::config::settings::UiSettings;
use crate::server::world::hex;
use account::{AccountView, EnrolmentView};
use messages::{Language, Messages};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, Value, context};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use templates::TEMPLATES;

const ASSETS: [(&str, &[u8]); 2] = [
    (
        "style.css",
        include_bytes!("../../../views/static/style.css"),
    ),
    ("post.js", include_bytes!("../../../views/static/post.js")),
];

/// Enough for any page, too little for a template that loops.
const FUEL: u64 = 1_000_000;
const MAX_FILE: u64 = 1 << 20;

/// A page to show.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum View {
    /// The password form.
    Login(LoginView),
    /// The notice that a password soon has to be changed.
    ExpiringPassword(ExpiringPasswordView),
    /// The Duo step.
    Duo(DuoView),
    /// The question about attributes.
    Release(ReleaseView),
    /// The question about terms of use.
    Terms(TermsView),
    /// Something is over, and why.
    Error {
        /// Shibboleth's event name; the end of a text's key.
        problem: String,
    },
    /// A service provider could not use what we sent.
    ErrorUrl(ErrorUrlView),
    /// A login that was finished already.
    SignedIn {
        /// Where the form goes.
        action: String,
        /// Its token.
        csrf: String,
    },
    /// A user's own account.
    Account(AccountView),
    /// An enrolment with Duo.
    Enrolment(EnrolmentView),
    /// Nobody is signed in here.
    SignInFirst {
        /// Where to sign in.
        sign_in: String,
        /// Why the last attempt failed: the end of a text's key.
        problem: Option<String>,
    },
    /// The button that signs out.
    Logout(LogoutView),
    /// Services are told by way of the browser.
    Telling(TellingView),
    /// A logout is over.
    LoggedOut(Box<LoggedOutView>),
    /// The form that carries a logout message.
    Carry(CarryView),
    /// A logout message was refused.
    LogoutRefused {
        /// Shibboleth's event name; the end of a text's key.
        problem: String,
    },
    /// A login that is gone, or belongs to another browser.
    Expired {},
    /// The form that carries our answer to the relying party.
    Respond {
        /// The assertion consumer service.
        destination: String,
        /// What carries the answer: `SAMLResponse`, or `SAMLart` for an artifact.
        parameter: &'static str,
        /// Base64.
        message: String,
        /// To echo.
        relay_state: Option<String>,
    },
}

/// The password form's content.
#[derive(Clone, Debug, Serialize)]
pub struct LoginView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// What to put in the name field.
    pub username: String,
    /// The end of a text's key.
    pub problem: Option<&'static str>,
    /// Only the name is asked; Duo comes first.
    pub passwordless: bool,
    /// A rule leads to another flow.
    pub other_way: bool,
    /// Where the password can be changed, when that is the problem.
    pub change_url: Option<String>,
}

/// The content of the notice about a password.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExpiringPasswordView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// What is left, the end of a text's key: `day`, `days` or `logins`.
    pub left: &'static str,
    /// How many of them.
    pub number: String,
    /// Where the password can be changed.
    pub change_url: Option<String>,
}

/// The Duo page's content.
#[derive(Clone, Debug, Serialize)]
pub struct DuoView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Whose login it is.
    pub username: String,
    /// The integration's display name.
    pub integration: String,
    /// The end of a text's key.
    pub problem: Option<&'static str>,
    /// A rule leads to another flow.
    pub other_way: bool,
    /// The name of the integration's own style sheet, if it has one.
    pub style: Option<String>,
    /// Where the browser can be remembered: whether the box is ticked.
    pub remember: Option<bool>,
}

/// The content of the question about attributes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReleaseView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Whose attributes.
    pub username: String,
    /// What would be sent.
    pub attributes: Vec<ReleasedView>,
    /// Offer to agree this once.
    pub allow_once: bool,
    /// Offer to agree to everything.
    pub allow_everything: bool,
}

/// An attribute that would be sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReleasedView {
    /// The end of a text's key; shown itself where there is no text.
    pub id: String,
    /// The values.
    pub values: Vec<String>,
}

impl From<&Attribute> for ReleasedView {
    fn from(attribute: &Attribute) -> Self {
        Self {
            id: attribute.id.clone(),
            values: attribute.values.clone(),
        }
    }
}

/// The content of the question about terms of use.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TermsView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Which terms: the middle of their texts' keys.
    pub key: String,
}

/// What a service provider says is missing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ErrorUrlView {
    /// The end of two texts' keys.
    pub code: &'static str,
    /// When it happened.
    pub time: Option<String>,
    /// The provider's own name for what happened.
    pub reference: Option<String>,
    /// Attributes, classes and the like.
    pub missing: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServiceView {
    /// Display name.
    pub name: String,
    /// One sentence about it.
    pub description: Option<String>,
    /// Logo's URL.
    pub logo: Option<String>,
    /// Where to read about it.
    pub information_url: Option<String>,
    /// Where to read about privacy.
    pub privacy_url: Option<String>,
}

/// What every page shows around its content.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The base URL's path.
    pub base: &'a str,
    /// `Accept-Language`.
    pub accept_language: &'a str,
    /// The transaction id, if there is one yet.
    pub transaction: Option<&'a str>,
    /// Who asks, if known.
    pub service: Option<&'a ServiceView>,
    /// Say which software this is.
    pub powered_by: bool,
}

/// A static file.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Media type.
    pub content_type: &'static str,
    /// Octets.
    pub octets: Vec<u8>,
}

/// The pages of one generation.
#[derive(Debug)]
pub struct Pages {
    environment: Environment<'static>,
    messages: Messages,
    assets: BTreeMap<String, Asset>,
    assets_version: String,
}

impl View {
    fn template(&self) -> &'static str {
        match self {
            Self::Login(_) => "login.html",
            Self::ExpiringPassword(_) => "expiring-password.html",
            Self::Duo(_) => "duo.html",
            Self::Release(_) => "attribute-release.html",
            Self::Terms(_) => "terms-of-use.html",
            Self::Error { .. } => "error.html",
            Self::ErrorUrl(_) => "error-url.html",
            Self::SignedIn { .. } => "signed-in.html",
            Self::Account(_) => "account.html",
            Self::Enrolment(_) => "enrolment.html",
            Self::SignInFirst { .. } => "sign-in-first.html",
            Self::Expired {} => "expired.html",
            Self::Respond { .. } => "respond.html",
            Self::Logout(_) => "logout.html",
            Self::Telling(_) => "logout-telling.html",
            Self::LoggedOut(_) => "logged-out.html",
            Self::Carry(_) => "logout-carry.html",
            Self::LogoutRefused { .. } => "logout-refused.html",
        }
    }

    /// Whether its form leads to relying parties, from one to the next.
    pub fn leads_away(&self) -> bool {
        matches!(
            self,
            Self::Logout(_) | Self::Telling(_) | Self::LoggedOut(_) | Self::Carry(_)
        )
    }
}

impl Pages {
    /// Compiles the templates of `views/` over the built-in ones and renders each once.
    pub fn load(home: &Path, ui: &UiSettings) -> Result<Self, String> {
        let views = home.join("views");
        let mut assets = assets(&views.join("static"))?;
        let styles = ui.duo_styles.iter().filter_map(|(integration, octets)| {
            let name = style_name(integration);
            let asset = asset(&name, octets.clone())?;
            Some((name, asset))
        });
        assets.extend(styles);
        let pages = Self {
            environment: environment(&views)?,
            messages: Messages::load(&home.join("messages"), &ui.fallback_languages)?,
            assets_version: version(&assets),
            assets,
        };
        for view in samples() {
            pages
                .render(&view, &sample_frame())
                .map_err(|error| format!("views/{}: {error:#}", view.template()))?;
        }
        Ok(pages)
    }

    /// The page as HTML.
    pub fn render(&self, view: &View, frame: &Frame<'_>) -> Result<String, minijinja::Error> {
        let language = self.messages.negotiate(frame.accept_language);
        self.environment
            .get_template(view.template())?
            .render(self.values(view, frame, language))
    }

    /// The language a page would be in.
    pub fn language(&self, accept_language: &str) -> &str {
        &self.messages.negotiate(accept_language).tag
    }

    /// One text in the language a page would be in; empty when there is none of that name.
    pub fn text(&self, accept_language: &str, key: &str) -> String {
        let texts = &self.messages.negotiate(accept_language).texts;
        let text = texts.get_item(&Value::from(key)).unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The name of an integration's own style sheet, if it has one.
    pub fn style(&self, integration: &str) -> Option<String> {
        let name = style_name(integration);
        self.assets.contains_key(&name).then_some(name)
    }

    /// A static file by name.
    pub fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.get(name)
    }

    fn values(&self, view: &View, frame: &Frame<'_>, language: &Language) -> Value {
        context! {
            t => language.texts.clone(),
            lang => language.tag.as_str(),
            base => frame.base,
            assets => self.assets_version.as_str(),
            transaction => frame.transaction,
            service => Value::from(Serde(frame.service)),
            powered_by => frame.powered_by,
            ..Value::from(Serde(view))
        }
    }
}

/// Under which name an integration's style sheet is served.
fn style_name(integration: &str) -> String {
    format!("duo-{integration}.css")
}

fn environment(views: &Path) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(format);
    environment.add_filter("fill", fill);
    for (name, built_in) in TEMPLATES {
        let source = match read(&views.join(name))? {
            Some(octets) => {
                String::from_utf8(octets).map_err(|_| format!("views/{name}: not UTF-8"))?
            }
            None => built_in.to_owned(),
        };
        environment
            .add_template_owned(name, source)
            .map_err(|error| format!("views/{name}: {error:#}"))?;
    }
    Ok(environment)
}

/// Escapes text as HTML needs it and no further: the engine would spell every slash of a URL or of
/// base64 in six characters.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => escape(out, text).map_err(minijinja::Error::from),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn escape(out: &mut Output, text: &str) -> std::fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_str(&rest[..at])?;
        out.write_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&#34;",
            _ => "&#39;",
        })?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}

/// Puts a name into a text. The result is plain text: the engine escapes it as a whole.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine's filter signature"
)]
fn fill(text: String, name: String) -> String {
    text.replace("{0}", &name)
}

fn assets(folder: &Path) -> Result<BTreeMap<String, Asset>, String> {
    let mut assets: BTreeMap<String, Asset> = ASSETS
        .iter()
        .filter_map(|(name, octets)| Some(((*name).to_owned(), asset(name, octets.to_vec())?)))
        .collect();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(assets);
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(octets) = read(&entry.path())?
            && let Some(asset) = asset(&name, octets)
        {
            assets.insert(name, asset);
        }
    }
    Ok(assets)
}

/// Only kinds of files that a page can use; anything else in the folder is not served.
fn asset(name: &str, octets: Vec<u8>) -> Option<Asset> {
    let (_, extension) = name.rsplit_once('.')?;
    let content_type = match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => return None,
    };
    Some(Asset {
        content_type,
        octets,
    })
}

/// Changes with any file, so that browsers may keep them for good.
fn version(assets: &BTreeMap<String, Asset>) -> String {
    let mut hasher = openssl::sha::Sha256::new();
    for (name, asset) in assets {
        hasher.update(name.as_bytes());
        hasher.update(&asset.octets);
    }
    hex(&hasher.finish()[..6])
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_FILE => std::fs::read(path)
            .map(Some)
            .map_err(|error| format!("{shown}: {error}")),
        Ok(metadata) if metadata.is_file() => Err(format!("{shown}: larger than {MAX_FILE} bytes")),
        _ => Ok(None),
    }
}

fn sample_frame() -> Frame<'static> {
    Frame {
        base: "",
        accept_language: "",
        transaction: Some("0"),
        service: None,
        powered_by: true,
    }
}

/// One of each page, with and without a problem.
fn samples() -> Vec<View> {
    let login = |problem| {
        View::Login(LoginView {
            action: String::new(),
            csrf: String::new(),
            username: String::new(),
            problem,
            other_way: false,
            passwordless: false,
            change_url: problem.map(|_| String::new()),
        })
    };
    let duo = |problem| {
        View::Duo(DuoView {
            action: String::new(),
            csrf: String::new(),
            username: String::new(),
            integration: String::new(),
            problem,
            other_way: false,
            style: problem.map(str::to_owned),
            remember: problem.map(|_| true),
        })
    };
    let views = vec![
        login(None),
        login(Some("refused")),
        duo(None),
        duo(Some("unavailable")),
    ];
    let others = account::samples().into_iter().chain(logout::samples());
    views
        .into_iter()
        .chain(plain_samples())
        .chain(others)
        .collect()
}

/// Those without a problem to tell.
fn plain_samples() -> Vec<View> {
    vec![
        View::ExpiringPassword(ExpiringPasswordView {
            left: "days",
            ..ExpiringPasswordView::default()
        }),
        View::Release(ReleaseView {
            attributes: vec![ReleasedView::default()],
            ..ReleaseView::default()
        }),
        View::Terms(TermsView::default()),
        View::Error {
            problem: "RuntimeException".to_owned(),
        },
        View::ErrorUrl(ErrorUrlView {
            code: "OTHER_ERROR",
            time: Some(String::new()),
            reference: Some(String::new()),
            missing: vec![String::new()],
        }),
        View::SignedIn {
            action: String::new(),
            csrf: String::new(),
        },
        View::Expired {},
        View::Respond {
            destination: String::new(),
            parameter: "SAMLResponse",
            message: String::new(),
            relay_state: Some(String::new()),
        },
        View::LogoutRefused {
            problem: String::new(),
        },
    ]
}

#[cfg(test)]
mod tests;
