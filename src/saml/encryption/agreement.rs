//! ECDH-ES with ConcatKDF and AES key wrap (XML Encryption 1.1 5.4.1, 5.6.4, 5.7).
//!
//! Both ends leave AlgorithmID, PartyUInfo and PartyVInfo empty, as other implementations do: the
//! ephemeral key is used once, so there is nothing to tell apart.

use super::{BlockEncryption, DS, SHA256, XENC, XENC11};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::Element;
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::aes::{AesKey, unwrap_key, wrap_key};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::derive::Deriver;
use openssl::ec::{EcGroupRef, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private, Public};
use openssl::sha::Sha256;
use zeroize::Zeroizing;

const DSIG11: Namespace = Namespace::new("dsig11", "http://www.w3.org/2009/xmldsig11#");
const ECDH_ES: &str = "http://www.w3.org/2009/xmlenc11#ECDH-ES";
const CONCAT_KDF: &str = "http://www.w3.org/2009/xmlenc11#ConcatKDF";
const KW_AES128: &str = "http://www.w3.org/2001/04/xmlenc#kw-aes128";
const KW_AES256: &str = "http://www.w3.org/2001/04/xmlenc#kw-aes256";

/// A content key wrapped for an EC key, with what the owner of that key needs to unwrap it.
pub(super) struct Wrapped {
    pub(super) octets: Vec<u8>,
    algorithm: &'static str,
    ephemeral: Vec<u8>,
    recipient: Vec<u8>,
    curve: &'static str,
}

/// Wraps `key` for `public` under an agreement with an ephemeral key made from `randomness`.
pub(super) fn wrap(
    public: &PKeyRef<Public>,
    block: BlockEncryption,
    key: &[u8],
    randomness: &[u8],
) -> Option<Wrapped> {
    let recipient = public.ec_key().ok()?;
    let group = recipient.group();
    let curve = oid(group.curve_name()?)?;
    let ephemeral = ephemeral(group, randomness).ok()?;
    let ephemeral_point = point(group, &ephemeral).ok()?;
    let ephemeral = PKey::from_ec_key(ephemeral).ok()?;
    let wrapping = derived(&ephemeral, public, block.cipher().key_len(), &[])?;
    let aes = AesKey::new_encrypt(&wrapping).ok()?;
    let mut octets = vec![0; key.len() + 8];
    wrap_key(&aes, None, &mut octets, key).ok()?;
    Some(Wrapped {
        octets,
        algorithm: if wrapping.len() == 16 {
            KW_AES128
        } else {
            KW_AES256
        },
        ephemeral: ephemeral_point,
        recipient: point(group, &recipient).ok()?,
        curve,
    })
}

impl Wrapped {
    /// The URI of the key wrap.
    pub(super) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// Writes `xenc:AgreementMethod` (XML Encryption 1.1 5.6).
    pub(super) fn write_agreement(&self, w: &mut Writer) {
        w.open(XENC, "AgreementMethod");
        w.attribute("Algorithm", ECDH_ES);
        w.open(XENC11, "KeyDerivationMethod");
        w.attribute("Algorithm", CONCAT_KDF);
        w.open(XENC11, "ConcatKDFParams");
        // 5.4.1: the first octet counts the padding bits of what follows, here of nothing.
        w.attribute("AlgorithmID", "00");
        w.attribute("PartyUInfo", "00");
        w.attribute("PartyVInfo", "00");
        w.open(DS, "DigestMethod");
        w.attribute("Algorithm", SHA256);
        w.close();
        w.close();
        w.close();
        self.write_key(w, "OriginatorKeyInfo", &self.ephemeral);
        self.write_key(w, "RecipientKeyInfo", &self.recipient);
        w.close();
    }

    fn write_key(&self, w: &mut Writer, local: &'static str, point: &[u8]) {
        w.open(XENC, local);
        w.open(DS, "KeyValue");
        w.open(DSIG11, "ECKeyValue");
        w.open(DSIG11, "NamedCurve");
        w.attribute("URI", self.curve);
        w.close();
        w.leaf(DSIG11, "PublicKey", &STANDARD.encode(point));
        w.close();
        w.close();
        w.close();
    }
}

/// Unwraps an `xenc:EncryptedKey` that names an agreement with our EC key.
pub(super) fn unwrap(
    encrypted_key: &Element,
    wrapped: &[u8],
    private: &PKeyRef<Private>,
) -> Option<Zeroizing<Vec<u8>>> {
    let wrap = encrypted_key.first(XENC.uri, "EncryptionMethod")?;
    let length = match wrap.attribute("Algorithm")? {
        KW_AES128 => 16,
        KW_AES256 => 32,
        _ => return None,
    };
    let agreement = encrypted_key
        .first(DS.uri, "KeyInfo")?
        .first(XENC.uri, "AgreementMethod")?;
    if agreement.attribute("Algorithm") != Some(ECDH_ES) {
        return None;
    }
    let other_info = other_info(agreement)?;
    let originator = originator(agreement, private)?;
    let wrapping = derived(private, &originator, length, &other_info)?;
    let aes = AesKey::new_decrypt(&wrapping).ok()?;
    let mut key = Zeroizing::new(vec![0; wrapped.len().checked_sub(8)?]);
    unwrap_key(&aes, None, &mut key, wrapped).ok()?;
    Some(key)
}

/// ConcatKDF with SHA-256 (NIST SP 800-56A 5.8.1), one round: no wrapping key is longer than that.
fn derived(
    ours: &PKeyRef<Private>,
    theirs: &PKeyRef<Public>,
    length: usize,
    other_info: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let agreed = || -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut deriver = Deriver::new(ours)?;
        deriver.set_peer(theirs)?;
        deriver.derive_to_vec().map(Zeroizing::new)
    };
    let agreed = agreed().ok()?;
    let mut digest = Sha256::new();
    digest.update(&1_u32.to_be_bytes());
    digest.update(&agreed);
    digest.update(other_info);
    let derived = Zeroizing::new(digest.finish());
    Some(Zeroizing::new(derived.get(..length)?.to_vec()))
}

/// The concatenated parameters, each without its octet that counts padding bits.
fn other_info(agreement: &Element) -> Option<Vec<u8>> {
    let method = agreement.first(XENC11.uri, "KeyDerivationMethod")?;
    let parameters = method.first(XENC11.uri, "ConcatKDFParams")?;
    let digest = parameters.first(DS.uri, "DigestMethod")?;
    let known = method.attribute("Algorithm") == Some(CONCAT_KDF)
        && digest.attribute("Algorithm") == Some(SHA256);
    if !known {
        return None;
    }
    let mut info = Vec::new();
    for name in [
        "AlgorithmID",
        "PartyUInfo",
        "PartyVInfo",
        "SuppPubInfo",
        "SuppPrivInfo",
    ] {
        match parameters.attribute(name).unwrap_or_default() {
            "" => {}
            text => match hex(text)?.split_first()? {
                (0, octets) => info.extend_from_slice(octets),
                // Bit strings that end inside an octet: nobody writes them.
                _ => return None,
            },
        }
    }
    Some(info)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2048 || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The ephemeral key, which must be a point of our own key's curve: OpenSSL refuses a point beside
/// the curve, and a key of another curve would be an invalid-curve attack.
fn originator(agreement: &Element, private: &PKeyRef<Private>) -> Option<PKey<Public>> {
    let ours = private.ec_key().ok()?;
    let group = ours.group();
    let value = agreement
        .first(XENC.uri, "OriginatorKeyInfo")?
        .first(DS.uri, "KeyValue")?
        .first(DSIG11.uri, "ECKeyValue")?;
    let curve = value.first(DSIG11.uri, "NamedCurve")?.attribute("URI");
    if curve != oid(group.curve_name()?) {
        return None;
    }
    let mut text = value.first(DSIG11.uri, "PublicKey")?.text();
    text.retain(|character| !character.is_ascii_whitespace());
    let octets = STANDARD.decode(text).ok()?;
    let key = || -> Result<PKey<Public>, ErrorStack> {
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(group, &octets, &mut context)?;
        let key = EcKey::from_public_key(group, &point)?;
        key.check_key()?;
        PKey::from_ec_key(key)
    };
    key().ok()
}

/// A key pair from random octets: a scalar from 1 to the order less one (FIPS 186-5 A.2.1).
fn ephemeral(group: &EcGroupRef, randomness: &[u8]) -> Result<EcKey<Private>, ErrorStack> {
    let mut context = BigNumContext::new_secure()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut context)?;
    order.sub_word(1)?;
    let scalar = scalar(randomness, &order, &mut context)?;
    let mut public = EcPoint::new(group)?;
    public.mul_generator2(group, &scalar, &mut context)?;
    EcKey::from_private_components(group, &scalar, &public)
}

fn scalar(
    randomness: &[u8],
    below: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<BigNum, ErrorStack> {
    let mut wide = BigNum::new_secure()?;
    wide.copy_from_slice(randomness)?;
    let mut scalar = BigNum::new_secure()?;
    scalar.nnmod(&wide, below, context)?;
    scalar.add_word(1)?;
    Ok(scalar)
}

/// The uncompressed point of a key.
fn point<T: openssl::pkey::HasPublic>(
    group: &EcGroupRef,
    key: &EcKey<T>,
) -> Result<Vec<u8>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let form = PointConversionForm::UNCOMPRESSED;
    key.public_key().to_bytes(group, form, &mut context)
}

/// The curve's name on the wire (RFC 4050 is older; XML Signature 1.1 4.5.2.3.1).
fn oid(curve: Nid) -> Option<&'static str> {
    match curve {
        Nid::X9_62_PRIME256V1 => Some("urn:oid:1.2.840.10045.3.1.7"),
        Nid::SECP384R1 => Some("urn:oid:1.3.132.0.34"),
        Nid::SECP521R1 => Some("urn:oid:1.3.132.0.35"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::ec::EcGroup;
    use std::fmt::Write as _;
    use std::process::Command;

    /// The command line's own ECDH and single-step KDF as judge.
    #[test]
    fn openssl_agrees_on_the_key_that_wraps() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let run = |command: &mut Command| {
            let output = command.output().expect("openssl runs");
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let ours = PKey::from_ec_key(ephemeral(&group, &[9; 80]).unwrap()).unwrap();
        let theirs = crate::saml::key::tests::ec(Nid::SECP384R1);
        let theirs_pem = theirs.public_key_to_pem().unwrap();
        std::fs::write(path("ours"), ours.private_key_to_pem_pkcs8().unwrap()).unwrap();
        std::fs::write(path("theirs"), &theirs_pem).unwrap();
        let secret = run(Command::new("openssl")
            .args(["pkeyutl", "-derive", "-inkey"])
            .arg(path("ours"))
            .arg("-peerkey")
            .arg(path("theirs")));
        let hexadecimal = secret.iter().fold(String::new(), |mut text, octet| {
            write!(text, "{octet:02x}").unwrap();
            text
        });
        let expected = run(Command::new("openssl")
            .args([
                "kdf",
                "-keylen",
                "32",
                "-binary",
                "-kdfopt",
                "digest:SHA256",
            ])
            .args(["-kdfopt", "hexinfo:0102"])
            .args(["-kdfopt", &format!("hexkey:{hexadecimal}"), "SSKDF"]));
        let public = PKey::public_key_from_pem(&theirs_pem).unwrap();
        let derived = derived(&ours, &public, 32, &[1, 2]).unwrap();
        assert_eq!(*derived, expected);
    }
}
