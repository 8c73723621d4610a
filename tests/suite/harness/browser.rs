//! A browser without JavaScript: cookies, redirects, forms, and a person who answers prompts.

use super::html::Form;
use super::http::{Request, Response};
use super::jar::Jar;
use url::Url;

/// A browser; a clone is the same browser at an earlier moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) jar: Jar,
    /// Every URL it asked for, redirects included.
    pub(crate) visited: Vec<Url>,
    /// Stop at the form that carries the response, instead of posting it to the relying party.
    pub(crate) keeps_response: bool,
    /// Sent with every request.
    pub(crate) headers: Vec<(String, String)>,
}

/// Where a navigation ended.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) response: Response,
}

/// What a person was asked on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Password,
    Duo,
}

/// Where a whole login ended, and what was asked on the way.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) page: Page,
}

/// Who sits at the browser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}

/// The user most scenarios use.
pub(crate) const ALICE: Person = Person {
    name: "alice",
    password: "correct horse",
};
/// Another user.
pub(crate) const BOB: Person = Person {
    name: "bob",
    password: "battery staple",
};

const MOST_REDIRECTS: usize = 20;
const MOST_PAGES: usize = 20;

impl Browser {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A browser that hands responses to the test instead of posting them.
    pub(crate) fn that_keeps_the_response() -> Self {
        Self {
            keeps_response: true,
            ..Self::default()
        }
    }

    /// Types an address.
    pub(crate) fn open(&mut self, url: &str) -> Page {
        self.navigate(Request::get(Url::parse(url).unwrap()), None)
    }

    /// Sends a request as if from a page, and follows redirects.
    pub(crate) fn navigate(&mut self, mut request: Request, from: Option<&Url>) -> Page {
        let mut cross_site = from.is_some_and(|page| site(page) != site(&request.url));
        for _ in 0..MOST_REDIRECTS {
            let response = self.ask(&request, cross_site);
            let Some(location) = response
                .header("location")
                .filter(|_| response.status / 100 == 3)
            else {
                return Page {
                    url: request.url,
                    response,
                };
            };
            let next = request.url.join(location).unwrap();
            cross_site |= site(&next) != site(&request.url);
            assert!(
                response.status != 307 && response.status != 308 || request.method == "GET",
                "{} would send the form on to {next}",
                request.url
            );
            request = Request::get(next);
        }
        panic!("redirects without end: {:#?}", self.visited);
    }

    /// One exchange with this browser's cookies, redirects not followed.
    pub(crate) fn ask(&mut self, request: &Request, cross_site: bool) -> Response {
        self.visited.push(request.url.clone());
        let mut request = request.clone();
        request.headers.extend(self.headers.iter().cloned());
        if let Some(cookies) = self.jar.header(&request.url, cross_site, request.method) {
            request = request.header("Cookie", &cookies);
        }
        let response = request.send();
        self.jar.take(&request.url, &response);
        response
    }

    /// Presses a form's first button.
    pub(crate) fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let request = filled(page, form);
        self.navigate(request, Some(&page.url))
    }

    /// Goes on from `page` as `person` would, until nothing is left to answer.
    pub(crate) fn walk(&mut self, mut page: Page, person: Person) -> Arrival {
        let mut prompts = Vec::new();
        for _ in 0..MOST_PAGES {
            let next = if let Some(form) = page.form_with("j_username") {
                if prompts.last() == Some(&Prompt::Password) {
                    break; // refused: the same page again
                }
                prompts.push(Prompt::Password);
                let form = form
                    .fill("j_username", person.name)
                    .fill("j_password", person.password);
                self.submit(&page, &form)
            } else if let Some(form) = page.duo_prompt() {
                if prompts.last() == Some(&Prompt::Duo) {
                    break; // denied: Duo keeps its user
                }
                prompts.push(Prompt::Duo);
                self.submit(&page, &form)
            } else if let Some(form) = page.moves_on(self.keeps_response) {
                self.submit(&page, &form)
            } else {
                break;
            };
            page = next;
        }
        Arrival { prompts, page }
    }

    /// Opens an address and goes on as `person` would.
    pub(crate) fn log_in(&mut self, url: &str, person: Person) -> Arrival {
        let page = self.open(url);
        self.walk(page, person)
    }
}

impl Page {
    /// The form with a field of that name.
    pub(crate) fn form_with(&self, field: &str) -> Option<Form> {
        Form::all(&self.response.body)
            .into_iter()
            .find(|form| form.has(field))
    }

    /// Only Duo's simulator speaks HTTPS here.
    pub(crate) fn duo_prompt(&self) -> Option<Form> {
        let form = Form::all(&self.response.body).into_iter().next();
        form.filter(|_| self.url.scheme() == "https")
    }

    /// A form that a browser with JavaScript would have sent by itself.
    fn moves_on(&self, keeps_response: bool) -> Option<Form> {
        let response = self.form_with("SAMLResponse");
        let response = response.or_else(|| self.form_with("SAMLart"));
        if response.is_some() {
            return response.filter(|_| !keeps_response);
        }
        self.form_with("SAMLRequest")
    }

    pub(crate) fn body(&self) -> &str {
        &self.response.body
    }
}

/// The request that sends a form.
pub(crate) fn filled(page: &Page, form: &Form) -> Request {
    let mut target = form.target(&page.url);
    if form.method == "POST" {
        let origin = page.url.origin().ascii_serialization();
        return Request::post(target, &form.pressed()).header("Origin", &origin);
    }
    target
        .query_pairs_mut()
        .clear()
        .extend_pairs(form.pressed());
    Request::get(target)
}

/// Scheme and host: what SameSite compares (here no host has subdomains).
fn site(url: &Url) -> (String, Option<String>) {
    (url.scheme().to_owned(), url.host_str().map(str::to_owned))
}
