use super::open::REFUSED;
use super::{
    BlockEncryption, EncryptionError, KeyTransport, RANDOMNESS, Recipient, decrypt, encrypt,
};
use crate::saml::key::DecryptionKey;
use crate::saml::key::tests::{ec, rsa, self_signed};
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::canonical::{Options, canonicalise};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Limits, parse};
use crate::saml::xml::second_opinion;
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKeyRef, Private};
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};

const CONTENT: &str = "<a:x xmlns:a=\"urn:a\">\u{5c71}&amp;</a:x>";

fn public(key: &PKeyRef<Private>) -> TrustedKey {
    TrustedKey(self_signed(key).public_key().unwrap())
}

fn private(key: &PKeyRef<Private>) -> DecryptionKey {
    DecryptionKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn encrypted(
    key: &TrustedKey,
    block: BlockEncryption,
    transport: KeyTransport,
) -> Result<String, EncryptionError> {
    let mut w = Writer::new();
    w.open(Namespace::ASSERTION, "EncryptedAssertion");
    let recipient = Recipient {
        entity_id: "https://sp.example.org",
        key,
        block,
        transport,
    };
    encrypt(&mut w, CONTENT.as_bytes(), &recipient, [7; RANDOMNESS])?;
    w.close();
    Ok(w.finish())
}

fn decrypted(xml: &str, keys: &[DecryptionKey]) -> Result<Vec<u8>, EncryptionError> {
    decrypt(&parse(xml.as_bytes(), &Limits::MESSAGE).unwrap(), keys)
}

const GCM: [BlockEncryption; 2] = [BlockEncryption::Aes128Gcm, BlockEncryption::Aes256Gcm];

#[test]
fn what_we_encrypt_is_canonical_and_xmlsec1_decrypts_it() {
    let key = rsa(2048);
    for block in BlockEncryption::ALL {
        let xml = encrypted(&public(&key), block, KeyTransport::RsaOaepMgf1p).unwrap();
        assert_eq!(xml, second_opinion::exclusive_c14n(&xml));
        let pem = key.private_key_to_pem_pkcs8().unwrap();
        let plain = second_opinion::decrypt(&xml, &pem);
        let root = parse(plain.as_bytes(), &Limits::MESSAGE).unwrap();
        let content = root.elements().next().unwrap();
        assert_eq!(canonicalise(content, &Options::default()), CONTENT);
    }
}

/// Encrypted data as others write it: the content's key is sent by this method.
fn foreign(block: BlockEncryption, method: &str, wrapped: &str, sealed: &str) -> String {
    format!(
        "<xenc:EncryptedData \
         xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
         Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod \
         Algorithm=\"{block}\"/><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
         <xenc:EncryptedKey>{method}<xenc:CipherData><xenc:CipherValue>{wrapped}\
         </xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue>{sealed}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedData>",
        block = block.uri(),
    )
}

/// In the element that SAML has around it.
fn enclosed(data: &str) -> String {
    let namespace = Namespace::ASSERTION.uri;
    format!("<e:EncryptedID xmlns:e=\"{namespace}\">{data}</e:EncryptedID>")
}

fn method(transport: KeyTransport, parameters: &str) -> String {
    let uri = transport.uri();
    format!("<xenc:EncryptionMethod Algorithm=\"{uri}\">{parameters}</xenc:EncryptionMethod>")
}

fn digest_method(uri: &str) -> String {
    format!("<ds:DigestMethod Algorithm=\"{uri}\"/>")
}

#[test]
fn what_xmlsec1_encrypts_for_us_we_decrypt() {
    let key = rsa(2048);
    let certificate = self_signed(&key).to_pem().unwrap();
    let sha1 = digest_method(super::SHA1);
    for (block, size) in GCM.into_iter().zip(["aes-128", "aes-256"]) {
        let method = method(KeyTransport::RsaOaepMgf1p, &sha1);
        let template = foreign(block, &method, "", "");
        let written = second_opinion::encrypt(&template, CONTENT, &certificate, size);
        let xml = enclosed(written.split_once("?>").unwrap().1);
        let octets = decrypted(&xml, &[private(&key)]).unwrap();
        let content = parse(&octets, &Limits::MESSAGE).unwrap();
        assert_eq!(canonicalise(&content, &Options::default()), CONTENT);
    }
}

/// IIP-ALG06: both names, each digest, each mask. xmlsec1 1.2.37 of Debian knows SHA-1 alone; here
/// OpenSSL wraps the key, by nothing of ours.
#[test]
fn every_digest_of_oaep_is_understood_by_both_its_names() {
    let key = rsa(2048);
    let (sha1, sha256) = (MessageDigest::sha1(), MessageDigest::sha256());
    let mgf = |uri: &str| {
        format!(
            "<xenc11:MGF xmlns:xenc11=\"{}\" Algorithm=\"{uri}\"/>",
            super::XENC11.uri
        )
    };
    let (d1, d256) = (digest_method(super::SHA1), digest_method(super::SHA256));
    let (m1, m256) = (mgf(super::MGF1_SHA1), mgf(super::MGF1_SHA256));
    let (old, new) = (KeyTransport::RsaOaepMgf1p, KeyTransport::RsaOaepSha256);
    for (transport, parameters, digest, mask) in [
        (old, String::new(), sha1, sha1),
        (old, d1.clone(), sha1, sha1),
        (old, d256.clone(), sha256, sha1),
        (new, String::new(), sha1, sha1),
        (new, d1.clone() + m1.as_str(), sha1, sha1),
        (new, d256.clone(), sha256, sha1),
        (new, d256.clone() + m1.as_str(), sha256, sha1),
        (new, d256 + m256.as_str(), sha256, sha256),
        (new, d1 + m256.as_str(), sha1, sha256),
    ] {
        let content_key = [5; 16];
        let mut oaep = Encrypter::new(&key).unwrap();
        oaep.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        oaep.set_rsa_oaep_md(digest).unwrap();
        oaep.set_rsa_mgf1_md(mask).unwrap();
        let mut wrapped = vec![0; oaep.encrypt_len(&content_key).unwrap()];
        let length = oaep.encrypt(&content_key, &mut wrapped).unwrap();
        let (iv, mut tag) = ([6; 12], [0; 16]);
        let cipher = Cipher::aes_128_gcm();
        let content = CONTENT.as_bytes();
        let text = encrypt_aead(cipher, &content_key, Some(&iv), &[], content, &mut tag).unwrap();
        let sealed = STANDARD.encode([&iv[..], &text, &tag].concat());
        let wrapped = STANDARD.encode(&wrapped[..length]);
        let method = method(transport, &parameters);
        let data = foreign(BlockEncryption::Aes128Gcm, &method, &wrapped, &sealed);
        let xml = enclosed(&data);
        assert_eq!(
            decrypted(&xml, &[private(&key)]).unwrap(),
            content,
            "{method}"
        );
    }
}

#[test]
fn we_decrypt_with_whichever_of_our_keys_fits() {
    let (key, other) = (rsa(2048), rsa(2048));
    for block in GCM {
        for transport in [KeyTransport::RsaOaepMgf1p, KeyTransport::RsaOaepSha256] {
            let xml = encrypted(&public(&key), block, transport).unwrap();
            let keys = [private(&other), private(&key)];
            assert_eq!(decrypted(&xml, &keys).unwrap(), CONTENT.as_bytes());
            assert_eq!(decrypted(&xml, &keys[..1]), Err(REFUSED));
        }
    }
}

#[test]
fn s16_whatever_is_wrong_the_refusal_is_the_same() {
    let key = rsa(2048);
    let keys = [private(&key)];
    let block = BlockEncryption::Aes256Gcm;
    let good = encrypted(&public(&key), block, KeyTransport::RsaOaepMgf1p).unwrap();
    let last = "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>";
    let value = good.rfind("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len();
    for changed in [
        good.replace("aes256-gcm", "aes128-gcm"),
        good.replace("aes256-gcm", "aes256-cbc"),
        good.replace("rsa-oaep-mgf1p", "rsa-1_5"),
        good.replace("xmldsig#sha1", "xmldsig-more#md5"),
        good.replace("xenc:EncryptedKey", "xenc:Other"),
        good.replace("xenc:EncryptedData", "xenc:Other"),
        good.replace("<xenc:CipherValue>", "<xenc:CipherValue>AAAA"),
        good.replace(last, &format!("AAAA{last}")),
        format!("{}{last}</saml2:EncryptedAssertion>", &good[..value]),
        format!("{}AAAA{last}</saml2:EncryptedAssertion>", &good[..value]),
    ] {
        assert_ne!(changed, good);
        assert_eq!(decrypted(&changed, &keys), Err(REFUSED), "{changed}");
    }
}

#[test]
fn s17_a_key_that_cannot_be_unwrapped_never_stands_for_a_known_one() {
    let key = rsa(2048);
    let zeros = [0; RANDOMNESS];
    let trusted = public(&key);
    let recipient = Recipient {
        entity_id: "https://sp.example.org",
        key: &trusted,
        block: BlockEncryption::Aes128Gcm,
        transport: KeyTransport::RsaOaepMgf1p,
    };
    let mut w = Writer::new();
    w.open(Namespace::ASSERTION, "EncryptedID");
    encrypt(&mut w, CONTENT.as_bytes(), &recipient, zeros).unwrap();
    w.close();
    let xml = w.finish();
    let broken = xml.replacen("<xenc:CipherValue>", "<xenc:CipherValue>AAAA", 1);
    assert_eq!(decrypted(&broken, &[private(&key)]), Err(REFUSED));
}

#[test]
fn s18_nothing_is_encrypted_for_a_key_that_is_weak_or_does_not_fit() {
    for (key, transport) in [
        (rsa(1024), KeyTransport::RsaOaepMgf1p),
        (ec(Nid::X9_62_PRIME256V1), KeyTransport::RsaOaepMgf1p),
        (ec(Nid::SECP256K1), KeyTransport::EcdhEs),
        (rsa(2048), KeyTransport::EcdhEs),
    ] {
        let error = encrypted(&public(&key), BlockEncryption::Aes256Gcm, transport).unwrap_err();
        assert_eq!(
            error.reason,
            "the relying party's key is too weak, or of another kind than its algorithm"
        );
    }
}

#[test]
fn s17_we_never_decrypt_cbc_though_we_can_produce_it() {
    let key = rsa(2048);
    for block in [BlockEncryption::Aes128Cbc, BlockEncryption::Aes256Cbc] {
        let xml = encrypted(&public(&key), block, KeyTransport::RsaOaepMgf1p).unwrap();
        assert_eq!(decrypted(&xml, &[private(&key)]), Err(REFUSED));
    }
}

/// xmlsec1 1.2.37 of Debian knows no ECDH-ES: our own decryption is the judge here, and the key
/// derivation has the command line of OpenSSL as another.
#[test]
fn ecdh_es_is_decrypted_by_us_alone_as_xmlsec1_cannot() {
    for curve in [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1] {
        let (key, other) = (ec(curve), ec(curve));
        for block in GCM {
            let xml = encrypted(&public(&key), block, KeyTransport::EcdhEs).unwrap();
            assert_eq!(xml, second_opinion::exclusive_c14n(&xml));
            let keys = [private(&other), private(&rsa(2048)), private(&key)];
            assert_eq!(decrypted(&xml, &keys).unwrap(), CONTENT.as_bytes());
            assert_eq!(decrypted(&xml, &keys[..2]), Err(REFUSED));
        }
    }
}

#[test]
fn s16_an_agreement_on_another_curve_or_beside_the_curve_is_refused() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let keys = [private(&key)];
    let good = encrypted(
        &public(&key),
        BlockEncryption::Aes128Gcm,
        KeyTransport::EcdhEs,
    )
    .unwrap();
    let point = "<dsig11:PublicKey>";
    let at = good.find(point).unwrap() + point.len();
    let beside = format!("{}AAAA{}", &good[..at + 40], &good[at + 44..]);
    for changed in [
        good.replacen("1.2.840.10045.3.1.7", "1.3.132.0.34", 1),
        good.replace("PartyUInfo=\"00\"", "PartyUInfo=\"0001\""),
        good.replace("PartyUInfo=\"00\"", "PartyUInfo=\"04F0\""),
        good.replace("#ConcatKDF", "#pbkdf2"),
        good.replace("#ECDH-ES", "#dh-es"),
        good.replace("kw-aes128", "kw-aes256"),
        beside,
    ] {
        assert_ne!(changed, good);
        assert_eq!(decrypted(&changed, &keys), Err(REFUSED), "{changed}");
    }
}
