//! A client without a browser: it speaks to the IdP in SOAP, every octet as a test wants it.

use super::browser::Person;
use super::http::{self, Request};
use super::idp::Deployment;
use super::relying_party::{self, RelyingParty};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use url::Url;

pub(crate) const PATH: &str = "/profile/SAML2/SOAP/ECP";
const CHANNEL_BINDINGS: &str = "urn:oasis:names:tc:SAML:protocol:ext:channel-binding";

/// Where this relying party takes answers that come by such a client.
pub(crate) fn acs(party: &RelyingParty) -> String {
    party.acs.replace("/acs", "/paos")
}

/// Its metadata, with that endpoint.
pub(crate) fn metadata(party: &RelyingParty) -> String {
    let end = "</md:SPSSODescriptor>";
    let endpoint = format!(
        r#"<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS" Location="{}" index="2"/>{end}"#,
        acs(party)
    );
    party.metadata().replace(end, &endpoint)
}

/// A deployment that serves such clients, with these relying parties.
pub(crate) fn prepare(parties: &[&RelyingParty]) -> Deployment {
    let deployment = Deployment::prepare();
    deployment.home.set("vestibule.ecp.enabled", "true");
    for (number, party) in parties.iter().enumerate() {
        deployment.trust(&format!("party-{number}"), &metadata(party));
    }
    deployment
}

/// `cb:ChannelBindings` with this content.
pub(crate) fn channel_bindings(data: &str) -> String {
    format!(
        r#"<cb:ChannelBindings xmlns:cb="{CHANNEL_BINDINGS}" Type="tls-server-end-point">{data}</cb:ChannelBindings>"#
    )
}

/// An envelope with these header blocks around a message.
pub(crate) fn envelope(headers: &str, message: &str) -> String {
    format!(
        r#"<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header>{headers}</S:Header><S:Body>{message}</S:Body></S:Envelope>"#
    )
}

/// What the client sends beside the message.
#[derive(Clone)]
pub(crate) struct Client<'d> {
    deployment: &'d Deployment,
    content_type: &'static str,
    headers: Vec<(String, String)>,
}

impl<'d> Client<'d> {
    /// A client that names nobody.
    pub(crate) fn new(deployment: &'d Deployment) -> Self {
        Self {
            deployment,
            content_type: "text/xml",
            headers: Vec::new(),
        }
    }

    /// A client of this person.
    pub(crate) fn of(deployment: &'d Deployment, person: Person) -> Self {
        Self::new(deployment).presenting(person.name, person.password)
    }

    pub(crate) fn presenting(self, name: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{name}:{password}"));
        self.with("Authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Hands an envelope on.
    pub(crate) fn send(&self, envelope: &str) -> http::Response {
        self.request(envelope).send()
    }

    /// The HTTP request that hands it on.
    pub(crate) fn request(&self, envelope: &str) -> Request {
        let mut request = Request {
            method: "POST",
            url: Url::parse(&self.deployment.url(PATH)).unwrap(),
            headers: self.headers.clone(),
            body: envelope.as_bytes().to_vec(),
        };
        request = request.header("Content-Type", self.content_type);
        request
    }

    /// Hands a message on and reads the Response that must come back.
    pub(crate) fn ask(&self, message: &str) -> relying_party::Response {
        let answer = self.send(&envelope("", message));
        response(&answer)
    }
}

/// The Response in an answer that must hold one; `posted_to` is where the client must deliver it.
pub(crate) fn response(answer: &http::Response) -> relying_party::Response {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.all("set-cookie"), [""; 0], "a cookie was set");
    let (headers, body) = answer.body.split_once("Header>").unwrap();
    let (_, body) = body.split_once("Body>").expect(headers);
    let (body, _) = body.split_once("</S:Body>").expect("the end of the body");
    let mut response = relying_party::Response {
        xml: answer.body.clone(),
        relay_state: None,
        posted_to: String::new(),
    };
    response.posted_to = response
        .values("Response", "AssertionConsumerServiceURL")
        .concat();
    body.clone_into(&mut response.xml);
    response
}

/// The line of every login without a browser, once there are at least that many.
pub(crate) fn sso_lines(deployment: &Deployment, wanted: usize) -> Vec<String> {
    super::wait_for("the audit", || {
        let path = deployment.home.path.join("logs/idp-audit.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains("|SOAP|"));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        (lines.len() >= wanted).then_some(lines)
    })
}

/// The text of a SOAP fault.
pub(crate) fn fault(answer: &http::Response) -> String {
    assert_eq!(answer.status, 500, "{}", answer.body);
    let (_, after) = answer
        .body
        .split_once("<faultstring>")
        .unwrap_or_else(|| panic!("no fault: {}", answer.body));
    after.split_once('<').unwrap().0.to_owned()
}
