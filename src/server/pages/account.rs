//! What the account pages show.

use super::View;
use serde::Serialize;

/// The account page's content.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    /// Where its forms go.
    pub action: String,
    /// Their token.
    pub csrf: String,
    /// Whose account it is.
    pub username: String,
    /// About the last action: the end of a text's key.
    pub notice: Option<&'static str>,
    /// The user's Duo, where users may change it.
    pub duo: Option<DuoAccountView>,
    /// The remembered browsers.
    pub browsers: Vec<BrowserView>,
}

/// The user's Duo on the account page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DuoAccountView {
    /// Where its forms go.
    pub action: String,
    /// Where to confirm who one is.
    pub sign_in: String,
    /// What our pages call Duo.
    pub name: String,
    /// A factor may be removed now.
    pub removable: bool,
    /// `allowed`, or what is missing to enrol: the end of a text's key.
    pub enrol: &'static str,
    /// What the user has.
    pub users: Vec<DuoUserView>,
}

/// One of the user's records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DuoUserView {
    /// What its buttons send.
    pub integration: String,
    /// What our pages call that integration.
    pub name: String,
    /// The user's own name for it.
    pub label: String,
    /// The day it was added.
    pub added: String,
    /// The day Duo last said that it knows the user.
    pub confirmed: Option<String>,
    /// The day the user last confirmed with it.
    pub last_used: Option<String>,
    /// Duo does not know the user any more.
    pub broken: bool,
    /// Duo can be asked about it.
    pub lookable: bool,
}

/// A remembered browser on the account page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BrowserView {
    /// What its button sends.
    pub id: String,
    /// Browser and system; empty when unknown.
    pub label: String,
    /// The day it was remembered.
    pub created: String,
    /// The day it was last used.
    pub last_used: Option<String>,
    /// The day it will be forgotten.
    pub expires: String,
}

/// The enrolment page's content.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EnrolmentView {
    /// Where its form goes.
    pub action: String,
    /// Its token.
    pub csrf: String,
    /// Whose enrolment it is.
    pub username: String,
    /// What our pages call Duo.
    pub name: String,
    /// The account page.
    pub account: String,
    /// This page.
    pub check: String,
    /// How far it is: the end of a text's key.
    pub state: &'static str,
    /// The QR code as a `data:` URL.
    pub qr: Option<String>,
    /// What a phone opens instead.
    pub link: Option<String>,
    /// Until when the code is good.
    pub expires: String,
    /// Where the page goes by itself after a while.
    pub refresh: Option<String>,
}

/// One of each page, with everything on it.
pub(super) fn samples() -> Vec<View> {
    let waiting = EnrolmentView {
        qr: Some(String::new()),
        refresh: Some(String::new()),
        ..EnrolmentView::default()
    };
    let sign_in = String::new();
    let problem = Some(String::new());
    vec![
        account(),
        View::Enrolment(waiting),
        View::Enrolment(EnrolmentView::default()),
        View::SignInFirst { sign_in, problem },
    ]
}

fn account() -> View {
    View::Account(AccountView {
        action: String::new(),
        csrf: String::new(),
        username: String::new(),
        notice: Some("gone"),
        duo: Some(DuoAccountView {
            users: vec![DuoUserView {
                last_used: Some(String::new()),
                broken: true,
                ..DuoUserView::default()
            }],
            ..DuoAccountView::default()
        }),
        browsers: vec![BrowserView {
            last_used: Some(String::new()),
            ..BrowserView::default()
        }],
    })
}
