//! What must be remembered: records as fields, formats, one line each. Pure: `server::logs` writes.

use std::collections::BTreeMap;

/// What is audited and how.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `idp.audit.format`, parsed.
    pub sso: Format,
    /// `idp.authn.Password.audit.format`, `None` when off.
    pub password: Option<Format>,
    /// `idp.duo.oidc.audit.format`, `None` when off.
    pub duo: Option<Format>,
    /// `idp.duo.oidc.audit.category`
    pub duo_category: String,
    /// `idp.audit.shortenBindings`
    pub shorten: bool,
}

/// A parsed format: `%label` tokens and literal text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// A field's label, without the percent sign.
    Field(String),
}

/// The fields of one line, by label.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub BTreeMap<&'static str, Vec<String>>);

impl Format {
    /// Parses a format; an unknown label is an error that names it.
    pub fn parse(_text: &str) -> Result<Self, String> {
        todo!()
    }

    /// One line without its newline; every value escaped.
    pub fn line(&self, _fields: &Fields) -> String {
        todo!()
    }
}
