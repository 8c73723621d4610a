//! Signs what the writer wrote: its octets are their own canonical form, so nothing is parsed back
//! and each signature costs one digest and one signing operation.

use super::{ENVELOPED, EXCLUSIVE_C14N, algorithm};
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::{Place, Writer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::sha256;

const DS: Namespace = Namespace::SIGNATURE;

/// Signs the closed element around `place`, whose `ID` is `id`, and puts its `ds:Signature` there.
///
/// Sign inner elements first. The place must be right behind the element's `Issuer`
/// (SAML core 2.3.3, 3.2.1).
pub fn sign(
    writer: &mut Writer,
    place: &Place,
    id: &str,
    key: &SigningKey,
) -> Result<(), KeyError> {
    let digest = sha256(writer.element(place).as_bytes());
    let signed_info = signed_info(id, &digest, key);
    let value = key.sign(signed_info.as_bytes())?;
    writer.insert(place, &signature(&signed_info, &value, key));
    Ok(())
}

/// `ds:SignedInfo` as it is hashed: standing alone, it declares `ds` itself.
fn signed_info(id: &str, digest: &[u8], key: &SigningKey) -> String {
    let mut w = Writer::with_capacity(1024);
    w.open(DS, "SignedInfo");
    algorithm(&mut w, "CanonicalizationMethod", EXCLUSIVE_C14N);
    algorithm(&mut w, "SignatureMethod", key.algorithm());
    w.open(DS, "Reference");
    w.attribute("URI", &format!("#{id}"));
    w.open(DS, "Transforms");
    algorithm(&mut w, "Transform", ENVELOPED);
    algorithm(&mut w, "Transform", EXCLUSIVE_C14N);
    w.close();
    algorithm(&mut w, "DigestMethod", algorithm::SHA256);
    w.leaf(DS, "DigestValue", &STANDARD.encode(digest));
    w.close();
    w.close();
    w.finish()
}

fn algorithm(w: &mut Writer, local: &'static str, uri: &str) {
    w.open(DS, local);
    w.attribute("Algorithm", uri);
    w.close();
}

/// The whole `ds:Signature`; inside it `SignedInfo` inherits the declaration of `ds`.
fn signature(signed_info: &str, value: &[u8], key: &SigningKey) -> String {
    let mut w = Writer::with_capacity(4 * 1024);
    w.open(DS, "Signature");
    let place = w.place();
    w.leaf(DS, "SignatureValue", &STANDARD.encode(value));
    w.open(DS, "KeyInfo");
    w.open(DS, "X509Data");
    w.leaf(DS, "X509Certificate", key.certificate_base64());
    w.close();
    w.close();
    w.close();
    let declaration = format!(" xmlns:{}=\"{}\"", DS.prefix, DS.uri);
    w.insert(&place, &signed_info.replacen(&declaration, "", 1));
    w.finish()
}
