"""The other end of every script here: a running simulator, a browser without a face, and cases.

A script reads the simulator's ready line from its first argument, runs its cases, and prints one
JSON line for each; it fails when any case fails.
"""

import html.parser
import json
import sys
import traceback
import urllib.parse

import requests


class Simulator:
    def __init__(self, ready):
        self.__dict__.update(ready)

    def control(self, path, **body):
        answer = browser().post(self.control_url + path, json=body)
        assert answer.status_code == 200, answer.text

    def told(self, path):
        return browser().get(self.control_url + path).json()

    def fault(self, endpoint, kind, times=1, **more):
        self.control("/fault", endpoint=endpoint, kind=kind, times=times, **more)

    def outcome(self, **members):
        self.control("/outcome", **members)

    def login(self, url):
        """Follows an authorize URL; presses the first button of the prompt if there is one.

        Gives the callback's query, or the page the browser stayed on.
        """
        answer = browser().get(url, verify=self.ca, allow_redirects=False)
        if answer.headers.get("location", "").startswith("/"):
            prompt = urllib.parse.urljoin(url, answer.headers["location"])
            page = browser().get(prompt, verify=self.ca)
            form = Form(page.text)
            answer = browser().post(
                urllib.parse.urljoin(prompt, form.action),
                data={**form.hidden, **form.buttons[0]},
                verify=self.ca,
                allow_redirects=False,
            )
        if answer.status_code == 303:
            query = urllib.parse.urlsplit(answer.headers["location"]).query
            return dict(urllib.parse.parse_qsl(query)), None
        return None, answer.text


class Form(html.parser.HTMLParser):
    """The one form of a page."""

    def __init__(self, text):
        super().__init__()
        self.action, self.hidden, self.buttons = None, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes["action"]
        if tag == "input":
            self.hidden[attributes["name"]] = attributes["value"]
        if tag == "button":
            self.buttons.append({attributes["name"]: attributes["value"]})


def browser():
    session = requests.Session()
    session.trust_env = False
    return session


def refused(action, *words):
    """The action fails, and the failure says these words."""
    try:
        result = action()
    except AssertionError:
        raise
    except Exception as error:
        for word in words:
            assert word in str(error), f"{error!r} does not say {word}"
        return
    raise AssertionError(f"accepted: {result!r}")


CASES = []


def case(function):
    CASES.append(function)
    return function


def main():
    ready = json.loads(sys.argv[1])
    ready["control_url"] = ready.pop("control")
    failed = 0
    for function in CASES:
        simulator = Simulator(ready)
        simulator.control("/reset")
        try:
            function(simulator)
            print(json.dumps({"case": function.__name__, "passed": True}), flush=True)
        except Exception:
            failed += 1
            detail = traceback.format_exc()
            print(json.dumps({"case": function.__name__, "passed": False, "detail": detail}), flush=True)
    sys.exit(1 if failed else 0)
