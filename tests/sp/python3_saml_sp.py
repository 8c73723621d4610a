"""Service providers on python3-saml, for the test suite.

Each entity id given on the command line is one service provider: number N answers under /N/.

    /N/metadata   its SAML metadata
    /N/login      starts a login by HTTP-Redirect; force=1, passive=1
    /N/acs        takes the response and answers JSON: what was accepted, or why not
"""

import argparse
import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.settings import OneLogin_Saml2_Settings

POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


class ServiceProvider:
    """One entity id, and the request it waits for."""

    def __init__(self, number, entity_id, arguments):
        self.entity_id = entity_id
        self.host = f"127.0.0.1:{arguments.port}"
        self.acs = f"/{number}/acs"
        self.waiting_for = None
        idp = OneLogin_Saml2_IdPMetadataParser.parse(Path(arguments.idp_metadata).read_text())
        self.settings = idp | {
            "strict": True,
            "sp": {
                "entityId": entity_id,
                "assertionConsumerService": {"url": f"http://{self.host}{self.acs}", "binding": POST},
                "NameIDFormat": UNSPECIFIED,
                "x509cert": Path(arguments.certificate).read_text(),
                "privateKey": Path(arguments.key).read_text(),
            },
            "security": {
                "authnRequestsSigned": arguments.signed,
                "wantAssertionsSigned": True,
                "wantAssertionsEncrypted": arguments.encrypt,
                "allowSingleLabelDomains": True,
            },
        }

    def auth(self, form=None):
        request = {"https": "off", "http_host": self.host, "script_name": self.acs, "post_data": form or {}}
        return OneLogin_Saml2_Auth(request | {"get_data": {}}, self.settings)

    def metadata(self):
        settings = OneLogin_Saml2_Settings(self.settings, sp_validation_only=True)
        return settings.get_sp_metadata().decode()

    def login(self, query):
        auth = self.auth()
        url = auth.login("from-python3-saml", force_authn="force" in query, is_passive="passive" in query)
        self.waiting_for = auth.get_last_request_id()
        return url

    def consume(self, form):
        auth = self.auth(form)
        auth.process_response(self.waiting_for)
        told = {
            "entity_id": self.entity_id,
            "relay_state": form.get("RelayState"),
            "encrypted": b"EncryptedAssertion" in base64.b64decode(form["SAMLResponse"]),
        }
        if auth.get_errors():
            return told | {"refused": auth.get_errors()[0], "why": auth.get_last_error_reason()}
        return told | {
            "attributes": auth.get_attributes(),
            "name_id": auth.get_nameid(),
            "name_id_format": auth.get_nameid_format(),
            "class": auth.get_last_authn_contexts()[0],
            "session_index": auth.get_session_index(),
        }


class Handler(BaseHTTPRequestHandler):
    """Routes /N/metadata, /N/login and /N/acs."""

    providers = []

    def do_GET(self):
        provider, action, query = self.routed()
        if action == "metadata":
            self.answer(200, provider.metadata(), "application/samlmetadata+xml")
        else:
            self.answer(302, "", "text/plain", provider.login(query))

    def do_POST(self):
        provider, _, _ = self.routed()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.answer(200, json.dumps(provider.consume(form)), "application/json")

    def routed(self):
        parts = urlsplit(self.path)
        number, action = parts.path.strip("/").split("/", 1)
        return self.providers[int(number)], action, parse_qs(parts.query)

    def answer(self, status, body, kind, location=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body.encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--idp-metadata", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--signed", action="store_true", help="sign every request and say so in metadata")
    parser.add_argument("--encrypt", action="store_true", help="refuse assertions that are not encrypted")
    parser.add_argument("entity_id", nargs="+")
    arguments = parser.parse_args()
    Handler.providers = [
        ServiceProvider(number, entity_id, arguments) for number, entity_id in enumerate(arguments.entity_id)
    ]
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    print(json.dumps({"ready": True}), flush=True)
    server.serve_forever()


main()
