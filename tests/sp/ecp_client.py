"""pysaml2's client for SAML's profile of enhanced clients, for the test suite.

Fetches one page of a service provider, logging in without a browser, and prints JSON: the status and
the page, or why there is none.
"""

import argparse
import json
import shutil

from saml2.ecp_client import Client


class HeaderClient(Client):
    """Sends further headers to the identity provider."""

    def phase2(self, *arguments, **named):
        return super().phase2(*arguments, headers=self.further_headers, **named)


def fetched(arguments):
    client = HeaderClient(
        arguments.user,
        arguments.password,
        sp=arguments.url,
        metadata_file=arguments.idp_metadata,
        xmlsec_binary=shutil.which("xmlsec1"),
    )
    client.further_headers = [tuple(header.split(": ", 1)) for header in arguments.header]
    try:
        page = client.get(arguments.url, idp_entity_id=arguments.idp)
    except Exception as refusal:  # every refusal is a result the suite looks at
        return {"refused": type(refusal).__name__, "why": str(refusal)}
    return {"status": page.status_code, "page": page.text}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idp", required=True, help="the IdP's entity id")
    parser.add_argument("--idp-metadata", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--header", action="append", default=[], help="NAME: VALUE, for the IdP")
    parser.add_argument("url")
    print(json.dumps(fetched(parser.parse_args())))


main()
