// What the service providers on Node share: arguments, the IdP's metadata, and routes.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { DOMParser } from "@xmldom/xmldom";

const MD = "urn:oasis:names:tc:SAML:2.0:metadata";
const DS = "http://www.w3.org/2000/09/xmldsig#";
const SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol";
const SAML = "urn:oasis:names:tc:SAML:2.0:assertion";

export function commandLine() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: text, "idp-metadata": text, key: text, certificate: text, signed: flag, encrypt: flag,
    },
  });
  return {
    port: Number(values.port),
    idpMetadata: readFileSync(values["idp-metadata"], "utf8"),
    key: readFileSync(values.key, "utf8"),
    certificate: readFileSync(values.certificate, "utf8"),
    signed: values.signed,
    encrypt: values.encrypt,
    entityIds: positionals,
  };
}

const elements = (node, namespace, name) => Array.from(node.getElementsByTagNameNS(namespace, name));
const parse = (xml) => new DOMParser().parseFromString(xml, "text/xml");

// The IdP as its metadata describes it.
export function identityProvider(xml) {
  const document = parse(xml);
  const role = elements(document, MD, "IDPSSODescriptor")[0];
  const endpoints = (service) =>
    Object.fromEntries(
      elements(role, MD, service).map((one) => [
        one.getAttribute("Binding").split(":").pop(), one.getAttribute("Location"),
      ]),
    );
  const signing = elements(role, MD, "KeyDescriptor").filter((key) => key.getAttribute("use") !== "encryption");
  return {
    entityId: document.documentElement.getAttribute("entityID"),
    sso: endpoints("SingleSignOnService"),
    slo: endpoints("SingleLogoutService"),
    certificates: signing.flatMap((key) => elements(key, DS, "X509Certificate")).map((one) => one.textContent.trim()),
  };
}

// What stands in a response for everyone to read.
export function outside(encoded) {
  const document = parse(Buffer.from(encoded, "base64").toString("utf8"));
  const codes = elements(document, SAMLP, "StatusCode").map((code) => code.getAttribute("Value"));
  return {
    status: codes[0],
    second_status: codes[1] ?? null,
    status_message: elements(document, SAMLP, "StatusMessage")[0]?.textContent ?? null,
    encrypted: elements(document, SAML, "EncryptedAssertion").length > 0,
  };
}

// How the user logged in, from an assertion that has been verified.
export function authentication(assertion) {
  const document = parse(assertion);
  const statement = elements(document, SAML, "AuthnStatement")[0];
  return {
    class: elements(statement, SAML, "AuthnContextClassRef")[0].textContent,
    authn_instant: statement.getAttribute("AuthnInstant"),
    session_index: statement.getAttribute("SessionIndex"),
  };
}

// Every attribute's values as a list.
export const lists = (attributes) =>
  Object.fromEntries(Object.entries(attributes ?? {}).map(([name, value]) => [name, [value].flat()]));

async function bodyOf(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

// Serves provider number N below /N/: a method `get_NAME` or `post_NAME` for each page. A page is
// { redirect }, { html }, { xml } or a value that becomes JSON.
export function serve(port, providers) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    const [, number, action] = url.pathname.split("/");
    const page = providers[number]?.[`${request.method.toLowerCase()}_${action}`];
    const sent = {
      query: Object.fromEntries(url.searchParams),
      classes: url.searchParams.getAll("class"),
      rawQuery: url.search.slice(1),
      form: Object.fromEntries(new URLSearchParams(await bodyOf(request))),
    };
    const answer = page ? await page.call(providers[number], sent) : undefined;
    const [status, headers, body] = written(answer);
    response.writeHead(status, headers).end(body);
  });
  server.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ ready: true })));
}

function written(answer) {
  if (answer === undefined) return [404, {}, "no such page"];
  if (answer.redirect) return [302, { location: answer.redirect }, ""];
  if (answer.html) return [200, { "content-type": "text/html" }, answer.html];
  if (answer.xml) return [200, { "content-type": "application/samlmetadata+xml" }, answer.xml];
  return [200, { "content-type": "application/json" }, JSON.stringify(answer)];
}

// A page whose form posts these fields.
export function form(action, fields) {
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`,
  );
  return { html: `<form method="post" action="${escaped(action)}">${inputs.join("")}<button>Go on</button></form>` };
}
