//! XML Encryption for SAML (SAML core 2.3.4, 6): AES-GCM under a key sent by RSA-OAEP.
//!
//! CBC modes and RSA PKCS#1 v1.5 are absent: both have padding oracles (S17). A refusal to decrypt
//! never says which step failed, and a wrong key costs the same steps as a wrong cipher text.

use crate::saml::key::{DecryptionKey, MINIMUM_RSA_BITS};
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::Element;
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const XENC: Namespace = Namespace::ENCRYPTION;
const DS: Namespace = Namespace::SIGNATURE;
const XENC11: Namespace = Namespace::new("xenc11", "http://www.w3.org/2009/xmlenc11#");
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MGF1_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";

/// Octets of a GCM initialisation vector and tag (XML Encryption 1.1 5.2.4).
const IV: usize = 12;
const TAG: usize = 16;

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockEncryption {
    /// `http://www.w3.org/2009/xmlenc11#aes128-gcm`
    Aes128Gcm,
    /// `http://www.w3.org/2009/xmlenc11#aes256-gcm`
    Aes256Gcm,
}

impl BlockEncryption {
    /// The algorithm's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            Self::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        }
    }

    /// The algorithm with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        [Self::Aes128Gcm, Self::Aes256Gcm]
            .into_iter()
            .find(|algorithm| algorithm.uri() == uri)
    }

    fn cipher(self) -> Cipher {
        match self {
            Self::Aes128Gcm => Cipher::aes_128_gcm(),
            Self::Aes256Gcm => Cipher::aes_256_gcm(),
        }
    }
}

/// How the content's key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTransport {
    /// `http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p` with SHA-1: what every SP knows. OAEP
    /// does not rest on collision resistance, so SHA-1 is no weakness here.
    RsaOaepMgf1p,
    /// `http://www.w3.org/2009/xmlenc11#rsa-oaep` with SHA-256 throughout.
    RsaOaepSha256,
}

impl KeyTransport {
    /// The algorithm's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaOaepMgf1p => "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            Self::RsaOaepSha256 => "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        }
    }
}

/// Whom to encrypt for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Their key: RSA.
    pub key: &'a TrustedKey,
    /// How the content is encrypted.
    pub block: BlockEncryption,
    /// How the content's key is sent.
    pub transport: KeyTransport,
}

/// Fresh random octets for one encryption: a key and an initialisation vector.
pub type Randomness = [u8; 32 + IV];

/// Writes `xenc:EncryptedData` with one element's canonical octets inside.
pub fn encrypt(
    w: &mut Writer,
    octets: &[u8],
    recipient: &Recipient<'_>,
    mut randomness: Randomness,
) -> Result<(), EncryptionError> {
    let encrypted = seal(octets, recipient, &randomness);
    randomness.zeroize();
    let (content, key) = encrypted?;
    w.open(XENC, "EncryptedData");
    w.attribute("Type", "http://www.w3.org/2001/04/xmlenc#Element");
    method(w, recipient.block.uri());
    w.close();
    w.open(DS, "KeyInfo");
    w.open(XENC, "EncryptedKey");
    method(w, recipient.transport.uri());
    write_transport_parameters(w, recipient.transport);
    w.close();
    cipher_data(w, &key);
    w.close();
    w.close();
    cipher_data(w, &content);
    w.close();
    Ok(())
}

/// The encrypted content and its encrypted key.
fn seal(
    octets: &[u8],
    recipient: &Recipient<'_>,
    randomness: &Randomness,
) -> Result<(Vec<u8>, Vec<u8>), EncryptionError> {
    let public = &recipient.key.0;
    if public.id() != Id::RSA || public.bits() < MINIMUM_RSA_BITS {
        return Err(EncryptionError {
            reason: "the relying party's key is not an RSA key of 2048 bits or more",
        });
    }
    let cipher = recipient.block.cipher();
    let (iv, key) = randomness.split_at(IV);
    let key = &key[..cipher.key_len()];
    let sealed = || -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let mut tag = [0; TAG];
        let text = encrypt_aead(cipher, key, Some(iv), &[], octets, &mut tag)?;
        let mut encrypter = Encrypter::new(public)?;
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
        if recipient.transport == KeyTransport::RsaOaepSha256 {
            encrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
            encrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
        }
        let mut wrapped = vec![0; encrypter.encrypt_len(key)?];
        let length = encrypter.encrypt(key, &mut wrapped)?;
        wrapped.truncate(length);
        Ok(([iv, &text, &tag].concat(), wrapped))
    };
    sealed().map_err(|_| EncryptionError {
        reason: "OpenSSL could not encrypt",
    })
}

fn method(w: &mut Writer, uri: &str) {
    w.open(XENC, "EncryptionMethod");
    w.attribute("Algorithm", uri);
}

fn write_transport_parameters(w: &mut Writer, transport: KeyTransport) {
    let sha256 = transport == KeyTransport::RsaOaepSha256;
    w.open(DS, "DigestMethod");
    w.attribute("Algorithm", if sha256 { SHA256 } else { SHA1 });
    w.close();
    if sha256 {
        w.open(XENC11, "MGF");
        w.attribute("Algorithm", MGF1_SHA256);
        w.close();
    }
}

fn cipher_data(w: &mut Writer, octets: &[u8]) {
    w.open(XENC, "CipherData");
    w.leaf(XENC, "CipherValue", &STANDARD.encode(octets));
    w.close();
}

const REFUSED: EncryptionError = EncryptionError {
    reason: "the element cannot be decrypted",
};

/// Decrypts `xenc:EncryptedData` inside `outer` (an `EncryptedID` or `EncryptedAssertion`) with one
/// of our keys, each tried in turn. The `EncryptedKey` stands in `KeyInfo` or beside the data
/// (SAML core errata E43).
pub fn decrypt(outer: &Element, keys: &[DecryptionKey]) -> Result<Vec<u8>, EncryptionError> {
    let data = outer.first(XENC.uri, "EncryptedData").ok_or(REFUSED)?;
    let block = algorithm(data).and_then(BlockEncryption::from_uri);
    let cipher = block.ok_or(REFUSED)?.cipher();
    let content = cipher_value(data).ok_or(REFUSED)?;
    let in_key_info = data.first(DS.uri, "KeyInfo").into_iter();
    let encrypted_keys = in_key_info
        .flat_map(|info| info.all(XENC.uri, "EncryptedKey"))
        .chain(outer.all(XENC.uri, "EncryptedKey"))
        // One for each recipient; a document with hundreds wants our time, not our answer (S16).
        .take(4);
    for encrypted_key in encrypted_keys {
        for key in keys {
            if let Some(octets) = open(&content, cipher, encrypted_key, key) {
                return Ok(octets);
            }
        }
    }
    Err(REFUSED)
}

fn open(
    content: &[u8],
    cipher: Cipher,
    encrypted_key: &Element,
    private: &DecryptionKey,
) -> Option<Vec<u8>> {
    // A key that could not be unwrapped goes on as zeros, so that it takes the same steps (S17).
    let unwrapped = unwrap(encrypted_key, private)
        .filter(|key| key.len() == cipher.key_len())
        .unwrap_or_else(|| Zeroizing::new(vec![0; cipher.key_len()]));
    let all_zero = unwrapped.iter().all(|octet| *octet == 0);
    let (iv, sealed) = content.split_at_checked(IV)?;
    let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
    let octets = decrypt_aead(cipher, &unwrapped, Some(iv), &[], text, tag).ok()?;
    (!all_zero).then_some(octets)
}

fn unwrap(encrypted_key: &Element, private: &DecryptionKey) -> Option<Zeroizing<Vec<u8>>> {
    let (digest, mask) = transport_digests(encrypted_key)?;
    let wrapped = cipher_value(encrypted_key)?;
    let unwrapped = || -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut decrypter = Decrypter::new(private.pkey())?;
        decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
        decrypter.set_rsa_oaep_md(digest)?;
        decrypter.set_rsa_mgf1_md(mask)?;
        let mut key = Zeroizing::new(vec![0; decrypter.decrypt_len(&wrapped)?]);
        let length = decrypter.decrypt(&wrapped, &mut key)?;
        key.truncate(length);
        Ok(key)
    };
    unwrapped().ok()
}

/// The digests of OAEP and of its mask (XML Encryption 1.1 5.5.2).
fn transport_digests(encrypted_key: &Element) -> Option<(MessageDigest, MessageDigest)> {
    let method = encrypted_key.first(XENC.uri, "EncryptionMethod")?;
    let parameter = |namespace: Namespace, local| {
        let element = method.first(namespace.uri, local)?;
        element.attribute("Algorithm")
    };
    let digest = match parameter(DS, "DigestMethod") {
        None | Some(SHA1) => MessageDigest::sha1(),
        Some(SHA256) => MessageDigest::sha256(),
        Some(_) => return None,
    };
    let transports = [KeyTransport::RsaOaepMgf1p, KeyTransport::RsaOaepSha256];
    let uri = method.attribute("Algorithm")?;
    match transports.into_iter().find(|t| t.uri() == uri)? {
        KeyTransport::RsaOaepMgf1p => Some((digest, MessageDigest::sha1())),
        KeyTransport::RsaOaepSha256 => match parameter(XENC11, "MGF") {
            None | Some(MGF1_SHA1) => Some((digest, MessageDigest::sha1())),
            Some(MGF1_SHA256) => Some((digest, MessageDigest::sha256())),
            Some(_) => None,
        },
    }
}

fn algorithm(encrypted: &Element) -> Option<&str> {
    encrypted
        .first(XENC.uri, "EncryptionMethod")?
        .attribute("Algorithm")
}

fn cipher_value(encrypted: &Element) -> Option<Vec<u8>> {
    let value = encrypted
        .first(XENC.uri, "CipherData")?
        .first(XENC.uri, "CipherValue")?;
    let mut text = value.text();
    text.retain(|character| !character.is_ascii_whitespace());
    STANDARD.decode(text).ok()
}

/// Why something could not be encrypted or decrypted: a constant reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionError {
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for EncryptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for EncryptionError {}

#[cfg(test)]
mod tests;
