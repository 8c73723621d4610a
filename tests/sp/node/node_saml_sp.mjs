// Service providers on @node-saml/node-saml, for the test suite.
//
// Each entity id given on the command line is one service provider: number N answers under /N/.
//
//     /N/metadata   its SAML metadata
//     /N/login      starts a login. Without a query it asks what the library asks by itself: a NameID
//                   of the format emailAddress and the class PasswordProtectedTransport. The query
//                   chooses otherwise: nameid=FORMAT or nameid=none, class (repeatable) or class=none,
//                   comparison, force=1, passive=1, binding=post, relay
//     /N/acs        takes the response and answers JSON: what was accepted, or why not
//     /N/logout     asks the IdP to log out whoever logged in last here
//     /N/slo        takes LogoutRequests (by Redirect and POST), which it answers by Redirect, and
//                   LogoutResponses, of which it tells as JSON
//     /N/logouts    what arrived at /N/slo, as a JSON list

import { SAML } from "@node-saml/node-saml";
import { authentication, commandLine, identityProvider, lists, outside, serve } from "./serving.mjs";

const line = commandLine();
const idp = identityProvider(line.idpMetadata);

class ServiceProvider {
  constructor(entityId, number) {
    this.entityId = entityId;
    this.base = `http://127.0.0.1:${line.port}/${number}`;
    this.loggedIn = null;
    this.logouts = [];
    // One of them holds the requests that all wait for.
    this.cacheProvider = this.saml().cacheProvider;
  }

  saml(asked = {}) {
    return new SAML({
      issuer: this.entityId,
      callbackUrl: `${this.base}/acs`,
      logoutCallbackUrl: `${this.base}/slo`,
      entryPoint: idp.sso["HTTP-Redirect"],
      logoutUrl: idp.slo["HTTP-Redirect"],
      idpCert: idp.certificates,
      idpIssuer: idp.entityId,
      validateInResponseTo: "always",
      acceptedClockSkewMs: 5000,
      // The library's default is SHA-1.
      signatureAlgorithm: "sha256",
      digestAlgorithm: "sha256",
      ...(line.signed ? { privateKey: line.key, publicCert: line.certificate } : {}),
      ...(line.encrypt ? { decryptionPvk: line.key } : {}),
      ...(this.cacheProvider ? { cacheProvider: this.cacheProvider } : {}),
      ...asked,
    });
  }

  get_metadata() {
    return { xml: this.saml().generateServiceProviderMetadata(line.certificate, line.certificate) };
  }

  async get_login({ query, classes }) {
    const asked = { forceAuthn: "force" in query, passive: "passive" in query };
    if (query.nameid) asked.identifierFormat = query.nameid === "none" ? null : query.nameid;
    if (query.class === "none") asked.disableRequestedAuthnContext = true;
    else if (classes.length > 0) asked.authnContext = classes;
    if (query.comparison) asked.racComparison = query.comparison;
    const relay = query.relay ?? "from-node-saml";
    if (query.binding !== "post") return { redirect: await this.saml(asked).getAuthorizeUrlAsync(relay, "", {}) };
    // The library would deflate what it posts, which the binding does not know.
    const posting = { ...asked, skipRequestCompression: true, entryPoint: idp.sso["HTTP-POST"] };
    return { html: await this.saml(posting).getAuthorizeFormAsync(relay) };
  }

  async post_acs({ form }) {
    const told = { entity_id: this.entityId, relay_state: form.RelayState ?? null, ...outside(form.SAMLResponse) };
    try {
      const { profile } = await this.saml().validatePostResponseAsync(form);
      // The library calls a refusal to be asked passively neither a login nor an error.
      if (!profile) return { ...told, refused: "no login" };
      this.loggedIn = profile;
      return { ...told, ...accepted(profile) };
    } catch (refusal) {
      return { ...told, refused: refusal.constructor.name, why: refusal.message };
    }
  }

  async get_logout({ query }) {
    return { redirect: await this.saml().getLogoutUrlAsync(this.loggedIn, query.relay ?? "logging-out", {}) };
  }

  get_slo({ query, rawQuery }) {
    return this.logout(query, (saml) => saml.validateRedirectAsync(query, rawQuery));
  }

  post_slo({ form }) {
    return this.logout(form, (saml) =>
      form.SAMLRequest ? saml.validatePostRequestAsync(form) : saml.validatePostResponseAsync(form),
    );
  }

  async logout(sent, validate) {
    // By POST the library looks for InResponseTo in a Response alone, never in a LogoutResponse.
    const saml = this.saml({ validateInResponseTo: "ifPresent" });
    const told = { message: sent.SAMLRequest ? "request" : "response", relay_state: sent.RelayState ?? null };
    try {
      const { profile, loggedOut } = await validate(saml);
      Object.assign(told, { logged_out: loggedOut, name_id: profile?.nameID, session_index: profile?.sessionIndex });
      this.logouts.push(told);
      if (!profile) return told;
      this.loggedIn = null;
      return { redirect: await saml.getLogoutResponseUrlAsync(profile, sent.RelayState ?? "", {}, true) };
    } catch (refusal) {
      Object.assign(told, { refused: refusal.constructor.name, why: refusal.message });
      this.logouts.push(told);
      return told;
    }
  }

  get_logouts() {
    return this.logouts;
  }
}

function accepted(profile) {
  return {
    ...authentication(profile.getAssertionXml()),
    attributes: lists(profile.attributes),
    name_id: profile.nameID,
    name_id_format: profile.nameIDFormat,
    in_response_to: profile.inResponseTo,
  };
}

serve(line.port, line.entityIds.map((entityId, number) => new ServiceProvider(entityId, number)));
