//! Decrypts. A refusal never says which step failed, and a wrong key costs the same steps as a
//! wrong cipher text (S16, S17).

use super::{
    BlockEncryption, DS, EncryptionError, GCM_IV, GCM_TAG, KeyTransport, MGF1_SHA1, MGF1_SHA256,
    SHA1, SHA256, XENC, XENC11, agreement,
};
use crate::saml::key::DecryptionKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::Element;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Decrypter;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Private};
use openssl::rsa::Padding;
use openssl::symm::{Cipher, decrypt_aead};
use zeroize::Zeroizing;

pub(super) const REFUSED: EncryptionError = EncryptionError {
    reason: "the element cannot be decrypted",
};

/// Decrypts `xenc:EncryptedData` inside `outer` (an `EncryptedID` or `EncryptedAssertion`) with one
/// of our keys, each tried in turn. The `EncryptedKey` stands in `KeyInfo` or beside the data
/// (SAML core errata E43). Call it only when the message is proven (S16).
pub fn decrypt(outer: &Element, keys: &[DecryptionKey]) -> Result<Vec<u8>, EncryptionError> {
    let data = outer.first(XENC.uri, "EncryptedData").ok_or(REFUSED)?;
    let block = algorithm(data).and_then(BlockEncryption::from_uri);
    // Without authentication, our refusals would tell an attacker the plain text (S17).
    let block = block
        .filter(|block| block.is_authenticated())
        .ok_or(REFUSED)?;
    let content = cipher_value(data).ok_or(REFUSED)?;
    let in_key_info = data.first(DS.uri, "KeyInfo").into_iter();
    let encrypted_keys = in_key_info
        .flat_map(|info| info.all(XENC.uri, "EncryptedKey"))
        .chain(outer.all(XENC.uri, "EncryptedKey"))
        // One for each recipient; a document with hundreds wants our time, not our answer (S16).
        .take(4);
    for encrypted_key in encrypted_keys {
        for key in keys {
            if let Some(octets) = open(&content, block.cipher(), encrypted_key, key) {
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
    let unwrapped = unwrap(encrypted_key, private.pkey())
        .filter(|key| key.len() == cipher.key_len())
        .unwrap_or_else(|| Zeroizing::new(vec![0; cipher.key_len()]));
    let all_zero = unwrapped.iter().all(|octet| *octet == 0);
    let (iv, sealed) = content.split_at_checked(GCM_IV)?;
    let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(GCM_TAG)?)?;
    let octets = decrypt_aead(cipher, &unwrapped, Some(iv), &[], text, tag).ok()?;
    (!all_zero).then_some(octets)
}

fn unwrap(encrypted_key: &Element, private: &PKeyRef<Private>) -> Option<Zeroizing<Vec<u8>>> {
    let wrapped = cipher_value(encrypted_key)?;
    if private.id() == Id::EC {
        return agreement::unwrap(encrypted_key, &wrapped, private);
    }
    let (digest, mask) = transport_digests(encrypted_key)?;
    let unwrapped = || -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut decrypter = Decrypter::new(private)?;
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
    match KeyTransport::from_uri(method.attribute("Algorithm")?)? {
        KeyTransport::RsaOaepMgf1p => Some((digest, MessageDigest::sha1())),
        KeyTransport::RsaOaepSha256 => match parameter(XENC11, "MGF") {
            None | Some(MGF1_SHA1) => Some((digest, MessageDigest::sha1())),
            Some(MGF1_SHA256) => Some((digest, MessageDigest::sha256())),
            Some(_) => None,
        },
        KeyTransport::EcdhEs => None,
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
