// Duo's official Web SDK for Node against the simulator. Prints one JSON line for each case.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import https from "node:https";
import { Client, DuoException } from "@duosecurity/duo_universal";

const simulator = JSON.parse(process.argv[2]);
const ca = readFileSync(simulator.ca);
const CALLBACK = "https://idp.example.org/idp/duo-callback";

function client(changes = {}, trust = ca) {
  const duo = new Client({
    clientId: simulator.client_id,
    clientSecret: simulator.client_secret,
    apiHost: simulator.api_host,
    redirectUrl: CALLBACK,
    ...changes,
  });
  // This version has no setting for other roots than Duo's own.
  if (trust) duo.axios.defaults.httpsAgent = new https.Agent({ ca: trust });
  return duo;
}

async function control(path, body) {
  const answer = await fetch(simulator.control + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

const fault = (endpoint, kind) => control("/fault", { endpoint, kind, times: 1 });

// One request of a browser that follows no redirect.
function browse(url, form) {
  return new Promise((resolve, reject) => {
    const options = { ca, method: form ? "POST" : "GET", agent: false };
    const request = https.request(url, options, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ location: response.headers.location, text }));
    });
    request.on("error", reject);
    if (form) request.setHeader("content-type", "application/x-www-form-urlencoded");
    request.end(form);
  });
}

// Presses the first button of the prompt and gives the callback's query, if there is one.
async function login(duo, username) {
  const state = duo.generateState();
  const url = await duo.createAuthUrl(username, state);
  let page = await browse(url);
  if (page.location?.startsWith("/")) {
    const prompt = new URL(page.location, url);
    const { text } = await browse(prompt);
    const [, name, value] = text.match(/<button[^>]*name="([^"]+)" value="([^"]+)"/);
    const form = new URLSearchParams({ sid: prompt.searchParams.get("sid"), [name]: value });
    page = await browse(new URL("/frame/v4/prompt", url), form.toString());
  }
  if (!page.location) return { page: page.text };
  const query = new URL(page.location).searchParams;
  assert.equal(query.get("state"), state);
  return { code: query.get("duo_code") };
}

async function exchange(username = "alice", duo = client()) {
  const { code } = await login(duo, username);
  return duo.exchangeAuthorizationCodeFor2FAResult(code, username);
}

const cases = {
  async a_whole_exchange_through_the_prompt() {
    const health = await client().healthCheck();
    assert.equal(health.stat, "OK");
    const claims = await exchange("jo hn+ü@example.org");
    assert.equal(claims.preferred_username, "jo hn+ü@example.org");
    assert.equal(claims.auth_result.result, "allow");
    assert.equal(claims.auth_context.factor, "duo_push");
  },

  async a_scripted_outcome_needs_no_prompt() {
    await control("/outcome", { username: "alice", outcome: "verified-push", times: 1 });
    const claims = await exchange();
    assert.equal(claims.auth_context.factor, "verified_duo_push");
  },

  async a_wrong_secret_is_refused() {
    const wrong = client({ clientSecret: "w".repeat(40) });
    await assert.rejects(wrong.healthCheck(), /invalid_client/);
    const { page } = await login(wrong, "alice");
    assert.match(page, /invalid_client/);
  },

  async a_code_is_good_once_and_for_its_redirect_uri_alone() {
    const duo = client();
    const first = await login(duo, "alice");
    await duo.exchangeAuthorizationCodeFor2FAResult(first.code, "alice");
    const again = duo.exchangeAuthorizationCodeFor2FAResult(first.code, "alice");
    await assert.rejects(again, /invalid_grant/);
    const second = await login(duo, "alice");
    const other = client({ redirectUrl: `${CALLBACK}/other` });
    const elsewhere = other.exchangeAuthorizationCodeFor2FAResult(second.code, "alice");
    await assert.rejects(elsewhere, /invalid_grant/);
  },

  async a_name_in_another_case_is_refused() {
    const duo = client();
    const { code } = await login(duo, "alice");
    await assert.rejects(duo.exchangeAuthorizationCodeFor2FAResult(code, "Alice"), /username/);
  },

  async a_missing_nonce_is_refused() {
    const duo = client();
    const { code } = await login(duo, "alice");
    const missed = duo.exchangeAuthorizationCodeFor2FAResult(code, "alice", "n".repeat(36));
    await assert.rejects(missed, /nonce/);
  },

  async every_spoiled_token_is_refused() {
    for (const kind of ["expired", "hs256", "alg-none", "wrong-key", "wrong-iss", "wrong-aud", "other-user"]) {
      await fault("token", kind);
      await assert.rejects(exchange(), DuoException, kind);
    }
    assert.equal((await exchange()).auth_result.result, "allow");
  },

  async a_signed_denial_passes_the_sdk() {
    await fault("token", "signed-deny");
    assert.equal((await exchange()).auth_result.result, "deny");
  },

  async an_outage_is_an_exception() {
    for (const kind of ["reset", "http-503", "429", "fail-400"]) {
      await fault("health_check", kind);
      await assert.rejects(client().healthCheck(), DuoException, kind);
    }
    assert.equal((await client().healthCheck()).stat, "OK");
  },

  async the_pinned_roots_do_not_trust_the_simulator() {
    await assert.rejects(client({}, null).healthCheck(), /certificate|connect/i);
  },

  async a_denied_user_never_comes_back() {
    await control("/outcome", { username: "alice", outcome: "deny" });
    const { code, page } = await login(client(), "alice");
    assert.equal(code, undefined);
    assert.match(page, /Login denied/);
  },
};

let failed = false;
for (const [name, run] of Object.entries(cases)) {
  await control("/reset", {});
  try {
    await run();
    console.log(JSON.stringify({ case: name, passed: true }));
  } catch (error) {
    failed = true;
    console.log(JSON.stringify({ case: name, passed: false, detail: String(error.stack) }));
  }
}
process.exit(failed ? 1 : 0);
