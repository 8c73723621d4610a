// Service providers on samlify, for the test suite.
//
// Each entity id given on the command line is one service provider: number N answers under /N/.
//
//     /N/metadata   its SAML metadata
//     /N/login      starts a login; binding=post sends the request by HTTP-POST, binding=simpleSign
//                   by HTTP-POST-SimpleSign; force=1
//     /N/acs        takes the response and answers JSON: what was accepted, or why not

import * as samlify from "samlify";
import * as schemas from "@authenio/samlify-node-xmllint";
import { authentication, commandLine, form, lists, outside, serve } from "./serving.mjs";

samlify.setSchemaValidator(schemas);

const line = commandLine();
const idp = samlify.IdentityProvider({ metadata: line.idpMetadata, isAssertionEncrypted: line.encrypt });

class ServiceProvider {
  constructor(entityId, number) {
    this.entityId = entityId;
    this.base = `http://127.0.0.1:${line.port}/${number}`;
    this.sp = samlify.ServiceProvider({
      entityID: entityId,
      authnRequestsSigned: line.signed,
      wantAssertionsSigned: true,
      privateKey: line.key,
      encPrivateKey: line.key,
      signingCert: line.certificate,
      ...(line.encrypt ? { encryptCert: line.certificate } : {}),
      assertionConsumerService: [
        { Binding: samlify.Constants.namespace.binding.post, Location: `${this.base}/acs` },
      ],
    });
  }

  get_metadata() {
    return { xml: this.sp.getMetadata() };
  }

  get_login({ query }) {
    const options = { relayState: "from-samlify", forceAuthn: "force" in query };
    const request = this.sp.createLoginRequest(idp, query.binding ?? "redirect", options);
    if (!query.binding) return { redirect: request.context };
    const fields = { SAMLRequest: request.context, RelayState: request.relayState };
    if (request.signature) Object.assign(fields, { SigAlg: request.sigAlg, Signature: request.signature });
    return form(request.entityEndpoint, fields);
  }

  async post_acs({ form }) {
    const told = { entity_id: this.entityId, relay_state: form.RelayState ?? null, ...outside(form.SAMLResponse) };
    try {
      const { extract, samlContent } = await this.sp.parseLoginResponse(idp, "post", { body: form });
      return {
        ...told,
        ...authentication(samlContent),
        attributes: lists(extract.attributes),
        name_id: extract.nameID,
        in_response_to: extract.response.inResponseTo,
      };
    } catch (refusal) {
      return { ...told, refused: "Error", why: String(refusal.message ?? refusal) };
    }
  }
}

serve(line.port, line.entityIds.map((entityId, number) => new ServiceProvider(entityId, number)));
