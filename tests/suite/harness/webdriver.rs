//! Headless Chromium, driven through chromedriver over the WebDriver protocol (W3C WebDriver).

use super::http::Request;
use super::process::{Process, program};
use super::{output, port, wait_for};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use tempfile::TempDir;
use url::Url;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const TAB: &str = "\u{e004}";

/// One browser window with a profile of its own.
pub(crate) struct Chromium {
    session: String,
    _driver: Process,
    _directory: TempDir,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        Self::with_preferences(&json!({}))
    }

    /// A browser whose user has switched JavaScript off.
    pub(crate) fn without_javascript() -> Self {
        Self::with_preferences(&json!({ "profile.managed_default_content_settings.javascript": 2 }))
    }

    fn with_preferences(preferences: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = port::free();
        let mut command = Command::new(program(&["chromedriver", "chromium.chromedriver"]));
        command.arg(format!("--port={port}"));
        let mut driver = Process::start("chromedriver", directory.path(), &mut command);
        let base = format!("http://127.0.0.1:{port}");
        let status = Request::get(Url::parse(&format!("{base}/status")).unwrap());
        driver.wait_until(|_| {
            status
                .try_send()
                .ok()
                .filter(|answer| answer.body.contains("\"ready\":true"))
        });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {
                "binary": program(&["chromium", "chromium-browser", "google-chrome"]),
                "prefs": preferences,
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--disable-dev-shm-usage", "--ignore-certificate-errors", "--window-size=1000,900",
                    "--lang=en", "--accept-lang=en",
                    format!("--user-data-dir={}", directory.path().join("profile").display()),
                ],
            },
        } } });
        let started = call("POST", &format!("{base}/session"), &capabilities);
        let id = started["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{started}"));
        Self {
            session: format!("{base}/session/{id}"),
            _driver: driver,
            _directory: directory,
        }
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(self.read("/url").as_str().unwrap()).unwrap()
    }

    pub(crate) fn title(&self) -> String {
        self.read("/title").as_str().unwrap().to_owned()
    }

    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// Whether something matches.
    pub(crate) fn shows(&self, selector: &str) -> bool {
        !self
            .post("/elements", &css(selector))
            .as_array()
            .unwrap()
            .is_empty()
    }

    /// Waits until something matches.
    pub(crate) fn wait_for(&self, selector: &str) {
        wait_for(selector, || self.shows(selector).then_some(()));
    }

    /// Waits until the browser is at an address that ends so.
    pub(crate) fn wait_for_path(&self, path: &str) {
        wait_for(path, || self.url().path().ends_with(path).then_some(()));
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Empties a field and types.
    pub(crate) fn enter(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// The visible text of what matches.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        self.read(&format!("/element/{element}/text"))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What an element has as this attribute.
    pub(crate) fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let element = self.element(selector);
        let value = self.read(&format!("/element/{element}/attribute/{name}"));
        value.as_str().map(str::to_owned)
    }

    /// A property of the element's object.
    pub(crate) fn property(&self, selector: &str, name: &str) -> Value {
        let element = self.element(selector);
        self.read(&format!("/element/{element}/property/{name}"))
    }

    /// The computed value of a CSS property.
    pub(crate) fn style(&self, selector: &str, name: &str) -> String {
        let element = self.element(selector);
        self.read(&format!("/element/{element}/css/{name}"))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Gives the window another size.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height });
        self.post("/window/rect", &size);
    }

    /// Whether everything can be read without scrolling sideways.
    pub(crate) fn is_no_wider_than_its_window(&self) -> bool {
        let width = |name| self.property("html", name).as_u64().unwrap();
        width("scrollWidth") <= width("clientWidth")
    }

    /// The accessible name that assistive technology reads out.
    pub(crate) fn accessible_name(&self, selector: &str) -> String {
        let element = self.element(selector);
        self.read(&format!("/element/{element}/computedlabel"))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// `id`, or else `name=value`, of what has the focus.
    pub(crate) fn focus(&self) -> String {
        let active = self.read("/element/active");
        let element = active[ELEMENT].as_str().unwrap().to_owned();
        let read = |name: &str| {
            let value = self.read(&format!("/element/{element}/attribute/{name}"));
            value.as_str().unwrap_or_default().to_owned()
        };
        let id = read("id");
        if id.is_empty() {
            format!("{}={}", read("name"), read("value"))
        } else {
            id
        }
    }

    /// Presses Tab where the focus is.
    pub(crate) fn press_tab(&self) {
        let keys = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": TAB }, { "type": "keyUp", "value": TAB },
        ] }] });
        self.post("/actions", &keys);
    }

    /// The handle of the tab in front.
    pub(crate) fn tab(&self) -> String {
        self.read("/window").as_str().unwrap().to_owned()
    }

    /// Opens a tab and returns its handle.
    pub(crate) fn new_tab(&self) -> String {
        self.post("/window/new", &json!({ "type": "tab" }))["handle"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn switch_to(&self, tab: &str) {
        self.post("/window", &json!({ "handle": tab }));
    }

    /// Keeps a picture of the page as test output.
    pub(crate) fn picture(&self, name: &str) {
        let picture = STANDARD
            .decode(self.read("/screenshot").as_str().unwrap())
            .unwrap();
        fs::write(output().join(format!("{name}.png")), picture).unwrap();
    }

    fn element(&self, selector: &str) -> String {
        self.wait_for(selector);
        let found = self.post("/element", &css(selector));
        found[ELEMENT]
            .as_str()
            .unwrap_or_else(|| panic!("{selector}: {found}"))
            .to_owned()
    }

    fn read(&self, path: &str) -> Value {
        call("GET", &format!("{}{path}", self.session), &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        call("POST", &format!("{}{path}", self.session), body)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Ends the browser too, which killing the driver would not.
        let request = Request {
            method: "DELETE",
            ..Request::get(Url::parse(&self.session).unwrap())
        };
        let _ = request.try_send();
    }
}

fn css(selector: &str) -> Value {
    json!({ "using": "css selector", "value": selector })
}

fn call(method: &'static str, url: &str, body: &Value) -> Value {
    let mut request = Request {
        method,
        ..Request::get(Url::parse(url).unwrap())
    };
    if method == "POST" {
        request.body = body.to_string().into_bytes();
        request = request.header("Content-Type", "application/json");
    }
    let answer = request.send();
    let mut value: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{method} {url} {body}: {value}");
    value["value"].take()
}
