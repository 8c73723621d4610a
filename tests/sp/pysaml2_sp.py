"""Service providers on pysaml2, for the test suite.

Each entity id given on the command line is one service provider: number N answers under /N/.

    /N/metadata   its SAML metadata
    /N/login      starts a login; the query chooses what is asked:
                  class (repeatable), comparison, force=1, passive=1, sign=1, binding=redirect|post
    /N/refresh    takes other metadata of the IdP in the place of what it knew
    /N/acs        takes the response and answers JSON: what pysaml2 accepted, or why not
    /N/logout     asks the IdP to sign the last user out: binding=redirect|post|soap
    /N/slo        takes logout messages by Redirect, POST and SOAP; a response is answered with JSON
    /N/session    JSON: whether the last user is signed in
"""

import argparse
import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, BINDING_SOAP, samlp
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import entity_descriptor
from saml2.time_util import in_a_while
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST, "soap": BINDING_SOAP}
# pysaml2 writes what comes in an envelope anew before it looks at the signature, under prefixes that
# ElementTree makes up: the signature then holds only where the sender's are known.
for prefix, uri in {
    "saml2p": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml2": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}.items():
    ElementTree.register_namespace(prefix, uri)
SIGNED = {"sign": True, "sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256}


class ServiceProvider:
    """One entity id, its pysaml2 client and the requests it waits for."""

    def __init__(self, number, entity_id, arguments):
        self.entity_id = entity_id
        self.idp = arguments.idp
        self.base = f"http://127.0.0.1:{arguments.port}/{number}"
        self.outstanding = {}
        self.subject = None
        self.lock = threading.Lock()
        self.arguments = arguments
        self.client = Saml2Client(config=self.configuration(arguments, {"local": [arguments.idp_metadata]}))

    def refresh(self, document):
        self.client = Saml2Client(config=self.configuration(self.arguments, {"inline": [document]}))

    def configuration(self, arguments, metadata):
        return SPConfig().load(
            {
                "entityid": self.entity_id,
                "key_file": arguments.key,
                "cert_file": arguments.certificate,
                "encryption_keypairs": [{"key_file": arguments.key, "cert_file": arguments.certificate}]
                if arguments.encrypt
                else [],
                "metadata": metadata,
                "accepted_time_diff": 60,
                "allow_unknown_attributes": True,
                "service": {
                    "sp": {
                        "endpoints": {
                            "assertion_consumer_service": [(f"{self.base}/acs", BINDING_HTTP_POST)],
                            "single_logout_service": [
                                (f"{self.base}/slo", binding) for binding in BINDINGS.values()
                            ],
                        },
                        "authn_requests_signed": arguments.signed,
                        "want_response_signed": True,
                        "want_assertions_signed": False,
                        "allow_unsolicited": False,
                    }
                },
            }
        )

    def metadata(self):
        return str(entity_descriptor(self.client.config))

    def login(self, query):
        wanted = {}
        if "class" in query:
            wanted["requested_authn_context"] = {
                "authn_context_class_ref": query["class"],
                "comparison": query.get("comparison", ["exact"])[0],
            }
        if "force" in query:
            wanted["force_authn"] = "true"
        if "nameid" in query:
            wanted["nameid_format"] = query["nameid"][0]
        if "passive" in query:
            wanted["is_passive"] = "true"
        request_id, sent = self.client.prepare_for_authenticate(
            self.idp,
            relay_state=query.get("relay", ["from-pysaml2"])[0],
            binding=BINDINGS[query.get("binding", ["redirect"])[0]],
            sign="sign" in query or None,
            sigalg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            **wanted,
        )
        with self.lock:
            self.outstanding[request_id] = self.base
        return sent

    def consume(self, form):
        encoded = form["SAMLResponse"][0]
        told = {"entity_id": self.entity_id, "relay_state": form.get("RelayState", [None])[0]}
        document = base64.b64decode(encoded)
        told["encrypted"] = b"EncryptedAssertion" in document
        told.update(status_of(document))
        try:
            with self.lock:
                waiting = dict(self.outstanding)
            response = self.client.parse_authn_request_response(encoded, BINDING_HTTP_POST, waiting)
        except Exception as refusal:  # every refusal is a result the suite looks at
            told["refused"] = type(refusal).__name__
            told["why"] = str(refusal)
            return told
        with self.lock:
            self.outstanding.pop(response.in_response_to, None)
            self.subject = response.name_id
        told.update(accepted(response))
        return told

    def logout(self, query):
        binding = BINDINGS[query.get("binding", ["redirect"])[0]]
        expire = in_a_while(minutes=5)
        sent = self.client.do_logout(
            self.subject, [self.idp], None, expire, expected_binding=binding, **SIGNED
        )[self.idp]
        return sent if binding == BINDING_SOAP else sent[1]

    def slo(self, message, binding):
        return self.client.handle_logout_request(
            message["SAMLRequest"][0],
            self.subject,
            binding,
            relay_state=message.get("RelayState", [""])[0],
            sigalg=message.get("SigAlg", [None])[0],
            signature=message.get("Signature", [None])[0],
            **SIGNED,
        )

    def logged_out(self, encoded, binding):
        """What the IdP says of a logout that began here."""
        response = self.client.parse_logout_request_response(encoded, binding)
        return logout_told(response)

    def signed_in(self):
        return self.subject is not None and self.client.is_logged_in(self.subject)


def logout_told(response):
    status = response.response.status.status_code
    return {
        "logout": status.value,
        "second_status": status.status_code.value if status.status_code is not None else None,
        "in_response_to": response.in_response_to,
    }


def status_of(document):
    status = samlp.response_from_string(document).status
    second = status.status_code.status_code
    return {
        "status": status.status_code.value,
        "second_status": second.value if second is not None else None,
        "status_message": status.status_message.text if status.status_message else None,
    }


def accepted(response):
    statement = response.assertion.authn_statement[0]
    return {
        "attributes": response.ava,
        "name_id": response.name_id.text if response.name_id else None,
        "name_id_format": response.name_id.format if response.name_id else None,
        "class": statement.authn_context.authn_context_class_ref.text,
        "authn_instant": statement.authn_instant,
        "session_index": statement.session_index,
        "in_response_to": response.in_response_to,
    }


class Handler(BaseHTTPRequestHandler):
    """Routes /N/ and the name of an action."""

    providers = []
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        provider, action, query = self.routed()
        if action == "metadata":
            self.answer(200, provider.metadata(), "application/samlmetadata+xml")
        elif action == "login":
            self.send_user(provider.login(query))
        elif action == "logout":
            sent = provider.logout(query)
            if isinstance(sent, dict):
                self.send_user(sent)
            else:
                self.answer(200, json.dumps(logout_told(sent)), "application/json")
        elif action == "slo":
            self.slo(provider, query, BINDING_HTTP_REDIRECT)
        elif action == "session":
            self.answer(200, json.dumps({"signed_in": provider.signed_in()}), "application/json")
        else:
            self.answer(404, "no such page", "text/plain")

    def do_POST(self):
        provider, action, _ = self.routed()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if action == "acs":
            self.answer(200, json.dumps(provider.consume(parse_qs(body))), "application/json")
        elif action == "refresh":
            provider.refresh(parse_qs(body)["metadata"][0])
            self.answer(200, "refreshed", "text/plain")
        elif action == "slo" and self.headers.get("Content-Type", "").startswith("text/xml"):
            sent = provider.slo({"SAMLRequest": [body]}, BINDING_SOAP)
            self.answer(200, sent["data"], "text/xml")
        elif action == "slo":
            self.slo(provider, parse_qs(body), BINDING_HTTP_POST)
        else:
            self.answer(404, "no such page", "text/plain")

    def slo(self, provider, message, binding):
        if "SAMLRequest" in message:
            self.send_user(provider.slo(message, binding))
        else:
            told = provider.logged_out(message["SAMLResponse"][0], binding)
            self.answer(200, json.dumps(told), "application/json")

    def routed(self):
        parts = urlsplit(self.path)
        number, action = parts.path.strip("/").split("/", 1)
        return self.providers[int(number)], action, parse_qs(parts.query)

    def send_user(self, sent):
        location = dict(sent["headers"]).get("Location")
        if location:
            self.answer(302, "", "text/plain", [("Location", location)])
        else:
            self.answer(200, sent["data"], "text/html")

    def answer(self, status, body, kind, headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        print(words[0] % words[1:], file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--idp", required=True, help="the IdP's entity id")
    parser.add_argument("--idp-metadata", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--signed", action="store_true", help="sign every request and say so in metadata")
    parser.add_argument("--encrypt", action="store_true", help="publish an encryption key")
    parser.add_argument("entity_id", nargs="+")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    Handler.providers = [
        ServiceProvider(number, entity_id, arguments) for number, entity_id in enumerate(arguments.entity_id)
    ]
    print(json.dumps({"ready": True}), flush=True)
    server.serve_forever()


main()
