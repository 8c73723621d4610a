//! The content of the pages about signing out.

use super::View;
use serde::Serialize;

/// The page with the button that signs out; also the question of a relying party that asks for it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogoutView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Who is signed in, if anybody is.
    pub username: Option<String>,
    /// Names of the services that were told of the session.
    pub services: Vec<String>,
    /// The service that asks, where it is a question.
    pub asker: Option<String>,
}

/// The page of a logout that tells services by way of the browser.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TellingView {
    /// Where the form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Everybody who was told of the session.
    pub parties: Vec<PartyView>,
    /// The browser came back from one without an answer: nothing moves by itself.
    pub waits: bool,
}

/// A service and what became of telling it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartyView {
    /// Its name.
    pub name: String,
    /// The end of a text's key.
    pub told: &'static str,
}

/// The last page of a logout.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoggedOutView {
    /// What became of the session: the middle of texts' keys.
    pub outcome: &'static str,
    /// Whether everybody says that it has ended.
    pub everywhere: bool,
    /// Everybody who was told of the session.
    pub parties: Vec<PartyView>,
    /// There were more services than are remembered.
    pub forgotten: bool,
    /// The answer to the service that asked.
    pub back: Option<WayBack>,
}

/// A link or a form that carries an answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WayBack {
    /// The service's name.
    pub name: String,
    /// Where it leads.
    pub destination: String,
    /// The form's fields; none for a link.
    pub fields: Vec<(&'static str, String)>,
}

/// The form that carries a logout message.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CarryView {
    /// The service's endpoint.
    pub destination: String,
    /// Names and values.
    pub fields: Vec<(&'static str, String)>,
}

/// One of each page.
pub(super) fn samples() -> Vec<View> {
    let parties = || vec![PartyView::default()];
    let over = |fields| LoggedOutView {
        outcome: "ended",
        parties: parties(),
        forgotten: true,
        back: Some(WayBack {
            fields,
            ..WayBack::default()
        }),
        ..LoggedOutView::default()
    };
    vec![
        View::Logout(LogoutView::default()),
        View::Logout(LogoutView {
            username: Some(String::new()),
            services: vec![String::new()],
            asker: Some(String::new()),
            ..LogoutView::default()
        }),
        View::Telling(TellingView {
            parties: parties(),
            ..TellingView::default()
        }),
        View::LoggedOut(Box::new(over(Vec::new()))),
        View::LoggedOut(Box::new(over(vec![("SAMLResponse", String::new())]))),
        View::Carry(CarryView {
            fields: vec![("SAMLRequest", String::new())],
            ..CarryView::default()
        }),
    ]
}
