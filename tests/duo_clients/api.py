"""Duo's official client of the Auth and Admin APIs against the simulator."""

import hashlib
import time

import duo_client

from simulator import browser, case, main, refused


def api(kind, credentials, simulator, **more):
    host, port = simulator.api_host.rsplit(":", 1)
    return kind(*credentials, host=host, port=int(port), ca_certs=simulator.ca, **more)


def auth_api(simulator, **more):
    return api(duo_client.Auth, simulator.auth_api, simulator, **more)


def admin_api(simulator):
    return api(duo_client.Admin, simulator.admin_api, simulator)


@case
def ping_check_and_logo_answer(simulator):
    auth = auth_api(simulator)
    assert abs(auth.ping()["time"] - time.time()) < 60
    assert abs(auth.check()["time"] - time.time()) < 60
    assert auth.logo().startswith(b"\x89PNG")


@case
def every_kind_of_signature_is_taken(simulator):
    for version in [1, 2, 4, 5]:
        for digest in [hashlib.sha1, hashlib.sha512]:
            auth = auth_api(simulator, sig_version=version, digestmod=digest)
            assert auth.check()["time"], version
            parameters = {"username": "jo hn+~ü@ex.org", "ipaddr": "192.0.2.7", "hostname": "a&b=c"}
            answer = auth.json_api_call("POST", "/auth/v2/preauth", parameters)
            assert answer["result"] == "auth", version


@case
def an_enrolment_waits_and_succeeds_when_the_phone_activates_it(simulator):
    auth = auth_api(simulator)
    begun = auth.enroll("new", valid_secs=600)
    assert begun["user_id"].startswith("DU") and len(begun["user_id"]) == 20
    status = lambda: auth.enroll_status(begun["user_id"], begun["activation_code"])
    assert status() == "waiting"
    assert auth.preauth(username="new")["result"] == "enroll"
    assert browser().get(begun["activation_url"], verify=simulator.ca).status_code == 200
    assert status() == "success"
    assert auth.enroll_status(begun["user_id"], "duo://wrong") == "invalid"
    assert auth.preauth(user_id=begun["user_id"])["result"] == "auth"
    refused(lambda: auth.enroll("new"), "Invalid request parameters (username)")


@case
def a_push_is_answered_at_once_or_step_by_step(simulator):
    auth = auth_api(simulator)
    device = auth.preauth(username="alice")["devices"][0]["device"]
    answer = auth.auth("push", username="alice", device=device)
    assert (answer["result"], answer["status"]) == ("allow", "allow")
    txid = auth.auth("auto", username="alice", device="auto", async_txn=True)["txid"]
    first, last = auth.auth_status(txid), auth.auth_status(txid)
    assert first["waiting"] and first["status"] == "pushed"
    assert last["success"] and not last["waiting"]
    refused(lambda: auth.auth_status("no-such-transaction"), "Invalid request parameters (txid)")


@case
def passcodes_are_checked_and_sms_never_lets_in(simulator):
    auth = auth_api(simulator)
    simulator.control("/user", username="alice", bypass_codes=["987654321"])
    right = auth.auth("passcode", username="alice", passcode="123456")
    assert right["result"] == "allow"
    wrong = auth.auth("passcode", username="alice", passcode="000000")
    assert wrong["result"] == "deny" and "Incorrect passcode" in wrong["status_msg"]
    bypass = lambda: auth.auth("passcode", username="alice", passcode="987654321")["result"]
    assert (bypass(), bypass()) == ("allow", "deny")
    sms = auth.auth("sms", username="alice", device="auto")
    assert (sms["result"], sms["status"]) == ("deny", "sent")


@case
def a_scripted_denial_and_a_status_reach_the_auth_api(simulator):
    auth = auth_api(simulator)
    simulator.outcome(username="alice", outcome="timeout", times=1)
    answer = auth.auth("push", username="alice", device="auto")
    assert (answer["result"], answer["status"]) == ("deny", "timeout")
    simulator.control("/user", username="bob", status="bypass")
    assert auth.preauth(username="bob")["result"] == "allow"
    simulator.control("/user", username="carol", status="locked out")
    assert auth.preauth(username="carol")["result"] == "deny"


@case
def ten_denials_lock_the_user_out(simulator):
    auth = auth_api(simulator)
    simulator.control("/user", username="eve")
    for _ in range(10):
        auth.auth("passcode", username="eve", passcode="000000")
    answer = auth.auth("passcode", username="eve", passcode="123456")
    assert answer["result"] == "deny" and "locked out" in answer["status_msg"]


@case
def wrong_credentials_are_refused_each_in_its_way(simulator):
    client_id, secret = simulator.auth_api
    check = lambda *credentials: api(duo_client.Auth, credentials, simulator).check()
    refused(lambda: check("DINOBODYNOBODYNOBODY", secret), "401", "Invalid integration key")
    refused(lambda: check(client_id, "w" * 40), "401", "Invalid signature")
    refused(lambda: check(*simulator.admin_api), "403", "Wrong integration type")
    simulator.fault("check", "clock-offset", seconds=3600)
    refused(lambda: check(client_id, secret), "401", "Bad request timestamp")
    assert check(client_id, secret)["time"]


@case
def parameters_that_make_no_sense_are_refused(simulator):
    auth = auth_api(simulator)
    refused(lambda: auth.preauth(), "username")
    refused(lambda: auth.preauth(user_id="DUNOBODYNOBODYNOBODY"), "user_id")
    refused(lambda: auth.auth("push", username="alice", device="DPNOBODYNOBODYNOBODY"), "device")
    refused(lambda: auth.auth("carrier pigeon", username="alice", device="auto"), "factor")


@case
def every_result_stands_in_the_log(simulator):
    auth, admin = auth_api(simulator), admin_api(simulator)
    txid = auth.auth("push", username="alice", device="auto", ipaddr="192.0.2.7", async_txn=True)["txid"]
    auth.auth("passcode", username="bob", passcode="000000")
    now = int(time.time() * 1000)
    log = admin.get_authentication_log(api_version=2, mintime=now - 60_000, maxtime=now + 60_000)
    newest, oldest = log["authlogs"]
    assert (oldest["txid"], oldest["result"]) == (txid, "success")
    assert oldest["access_device"]["ip"] == "192.0.2.7"
    assert (newest["user"]["name"], newest["reason"]) == ("bob", "invalid_passcode")


@case
def the_log_is_read_page_by_page(simulator):
    auth, admin = auth_api(simulator), admin_api(simulator)
    for number in range(5):
        auth.auth("passcode", username=f"reader{number}", passcode="123456")
    now, names, cursor = int(time.time() * 1000), [], None
    while True:
        more = {"next_offset": ",".join(cursor)} if cursor else {}
        page = admin.get_authentication_log(
            api_version=2, mintime=now - 60_000, maxtime=now + 60_000, limit="2", sort="ts:asc", **more
        )
        names += [entry["user"]["name"] for entry in page["authlogs"]]
        cursor = page["metadata"]["next_offset"]
        if not cursor:
            break
    assert names == [f"reader{number}" for number in range(5)], names


@case
def a_status_call_waits_until_the_user_has_answered(simulator):
    auth = auth_api(simulator)
    simulator.control("/settings", answer_seconds=1)
    txid = auth.auth("push", username="alice", device="auto", async_txn=True)["txid"]
    assert auth.auth_status(txid)["status"] == "pushed"
    before = time.monotonic()
    assert auth.auth_status(txid)["success"]
    assert time.monotonic() - before >= 0.9
    assert auth.auth_status(txid)["success"]


@case
def a_user_is_found_by_id_name_and_alias(simulator):
    simulator.control("/user", username="alice", aliases=["al", "ally"], email="a@example.org")
    admin = admin_api(simulator)
    [alice] = admin.get_users_by_name("ally")
    assert (alice["username"], alice["aliases"]) == ("alice", {"alias1": "al", "alias2": "ally"})
    assert admin.get_user_by_id(alice["user_id"])["email"] == "a@example.org"
    refused(lambda: admin.get_user_by_id("DUNOBODYNOBODYNOBODY"), "404")


@case
def users_are_listed_page_by_page(simulator):
    for number in range(105):
        simulator.control("/user", username=f"user{number:03}", groups=["staff"])
    admin = admin_api(simulator)
    names = [user["username"] for user in admin.get_users_iterator()]
    assert names == [f"user{number:03}" for number in range(105)]
    [one] = admin.get_users_by_name("user007")
    assert one["user_id"].startswith("DU") and one["groups"] == [{"name": "staff"}]
    refused(lambda: api(duo_client.Admin, simulator.auth_api, simulator).get_users(), "403")


if __name__ == "__main__":
    main()
