"""Duo's official Web SDK for Python against the simulator."""

from duo_universal.client import Client, DEFAULT_CA_CERT_PATH

from simulator import case, main, refused

CALLBACK = "https://idp.example.org/idp/duo-callback"


def client(simulator, **changes):
    settings = {
        "client_id": simulator.client_id,
        "client_secret": simulator.client_secret,
        "host": simulator.api_host,
        "redirect_uri": CALLBACK,
        "duo_certs": simulator.ca,
        **changes,
    }
    return Client(**settings)


def code(simulator, duo, username="alice", nonce=None):
    state = duo.generate_state()
    query, page = simulator.login(duo.create_auth_url(username, state, nonce))
    assert query is not None, page
    assert query["state"] == state
    return query["duo_code"]


def exchange(simulator, username="alice"):
    duo = client(simulator)
    found = code(simulator, duo, username)
    return duo.exchange_authorization_code_for_2fa_result(found, username)


@case
def a_whole_exchange_through_the_prompt(simulator):
    duo = client(simulator)
    assert duo.health_check()["stat"] == "OK"
    claims = exchange(simulator, "jo hn+ü@example.org")
    assert claims["preferred_username"] == "jo hn+ü@example.org"
    assert claims["auth_result"]["result"] == "allow"
    assert claims["auth_context"]["factor"] == "duo_push"
    assert claims["auth_context"]["access_device"]["hostname"] is None
    assert claims["iss"] == f"https://{simulator.api_host}/oauth/v1/token"


@case
def a_nonce_comes_back_and_is_missed_when_it_does_not(simulator):
    duo, nonce = client(simulator), "n" * 36
    found = code(simulator, duo, nonce=nonce)
    claims = duo.exchange_authorization_code_for_2fa_result(found, "alice", nonce=nonce)
    assert claims["nonce"] == nonce
    found = code(simulator, duo)
    refused(lambda: duo.exchange_authorization_code_for_2fa_result(found, "alice", nonce=nonce))


@case
def a_scripted_outcome_needs_no_prompt(simulator):
    simulator.outcome(username="alice", outcome="security-key", times=1)
    context = exchange(simulator)["auth_context"]
    assert (context["factor"], context["reason"]) == ("webauthn_security_key", "user_approved")
    simulator.outcome(username="*", result="allow", status="allow", factor="phone_call", reason="user_approved")
    assert exchange(simulator, "bob")["auth_context"]["factor"] == "phone_call"


@case
def a_code_goes_by_the_older_name_when_asked(simulator):
    duo = client(simulator, use_duo_code_attribute=False)
    state = duo.generate_state()
    query, _ = simulator.login(duo.create_auth_url("alice", state))
    assert "code" in query and "duo_code" not in query


@case
def a_wrong_secret_is_refused(simulator):
    wrong = client(simulator, client_secret="w" * 40)
    refused(wrong.health_check, "invalid_client")
    query, page = simulator.login(wrong.create_auth_url("alice", "s" * 36))
    assert query is None and "invalid_client" in page
    found = code(simulator, client(simulator))
    refused(lambda: wrong.exchange_authorization_code_for_2fa_result(found, "alice"), "invalid_client")


@case
def a_code_is_good_once(simulator):
    duo = client(simulator)
    found = code(simulator, duo)
    duo.exchange_authorization_code_for_2fa_result(found, "alice")
    refused(lambda: duo.exchange_authorization_code_for_2fa_result(found, "alice"), "invalid_grant")


@case
def a_code_belongs_to_its_redirect_uri(simulator):
    found = code(simulator, client(simulator))
    other = client(simulator, redirect_uri=CALLBACK + "/other")
    refused(lambda: other.exchange_authorization_code_for_2fa_result(found, "alice"), "invalid_grant")


@case
def a_name_in_another_case_is_refused(simulator):
    duo = client(simulator)
    found = code(simulator, duo)
    refused(lambda: duo.exchange_authorization_code_for_2fa_result(found, "Alice"))


@case
def every_spoiled_token_is_refused(simulator):
    for kind in [
        "expired",
        "hs256",
        "alg-none",
        "wrong-key",
        "wrong-iss",
        "wrong-aud",
        "other-user",
        "other-case",
    ]:
        simulator.fault("token", kind)
        refused(lambda: exchange(simulator))
    assert exchange(simulator)["auth_result"]["result"] == "allow"


@case
def a_signed_denial_passes_the_sdk(simulator):
    """Why an application must look at auth_result itself."""
    simulator.fault("token", "signed-deny")
    assert exchange(simulator)["auth_result"]["result"] == "deny"


@case
def a_clock_that_is_off_reads_as_invalid_client(simulator):
    simulator.fault("health_check", "clock_offset", seconds=7200)
    refused(client(simulator).health_check, "invalid_client")
    assert client(simulator).health_check()["stat"] == "OK"


@case
def an_outage_is_an_exception(simulator):
    for kind in ["reset", "not-json"]:
        simulator.fault("health_check", kind)
        refused(client(simulator).health_check)
    for kind in ["http-500", "http-503", "429"]:
        simulator.fault("token", kind)
        refused(lambda: exchange(simulator))


@case
def a_foreign_certificate_is_refused(simulator):
    simulator.fault("tls", "foreign-ca")
    refused(client(simulator).health_check, "certificate")
    assert client(simulator).health_check()["stat"] == "OK"


@case
def the_pinned_roots_do_not_trust_the_simulator(simulator):
    refused(client(simulator, duo_certs=DEFAULT_CA_CERT_PATH).health_check, "certificate")


@case
def a_denied_user_never_comes_back(simulator):
    for name in ["deny", "fraud", "timeout", "locked-out"]:
        simulator.outcome(username="alice", outcome=name)
        duo = client(simulator)
        query, page = simulator.login(duo.create_auth_url("alice", duo.generate_state()))
        assert query is None and "Login denied" in page, (name, page)


@case
def an_auth_api_application_is_of_the_wrong_kind(simulator):
    wrong = client(simulator, client_id=simulator.auth_api[0], client_secret=simulator.auth_api[1])
    refused(wrong.health_check, "does not support frameless")
    query, page = simulator.login(wrong.create_auth_url("alice", "s" * 36))
    assert query is None and "unauthorized_request" in page


@case
def what_arrived_can_be_read(simulator):
    exchange(simulator)
    arrived = [request["endpoint"] for request in simulator.told("/requests")]
    assert arrived == ["authorize", "prompt", "prompt", "token"], arrived
    token = simulator.told("/requests")[-1]
    assert token["claims"]["aud"] == f"https://{simulator.api_host}/oauth/v1/token"
    assert token["headers"]["user-agent"].startswith("duo_universal_python/")


if __name__ == "__main__":
    main()
