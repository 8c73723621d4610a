//! Encrypts: content under a fresh key, that key for its recipient.

use super::agreement::{self, Wrapped};
use super::{
    BlockEncryption, DS, EncryptionError, GCM_IV, GCM_TAG, KeyTransport, MGF1_SHA256, Randomness,
    Recipient, SHA1, SHA256, XENC, XENC11,
};
use crate::saml::key::KeyKind;
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKeyRef, Public};
use openssl::rsa::Padding;
use openssl::symm::{encrypt as encrypt_block, encrypt_aead};
use zeroize::Zeroize;

/// Octets of a CBC initialisation vector; GCM takes the first twelve of them.
const IV: usize = 16;
const KEY: usize = 32;

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
    write_key(w, recipient, &key);
    w.close();
    cipher_data(w, &content);
    w.close();
    Ok(())
}

/// The content's key, encrypted.
enum SealedKey {
    Transported(Vec<u8>),
    Agreed(Wrapped),
}

fn seal(
    octets: &[u8],
    recipient: &Recipient<'_>,
    randomness: &Randomness,
) -> Result<(Vec<u8>, SealedKey), EncryptionError> {
    let failed = EncryptionError {
        reason: "OpenSSL could not encrypt",
    };
    let fits = match KeyKind::of(&recipient.key.0) {
        Ok(KeyKind::Rsa) => recipient.transport != KeyTransport::EcdhEs,
        Ok(KeyKind::Ec { .. }) => recipient.transport == KeyTransport::EcdhEs,
        Err(_) => false,
    };
    if !fits {
        return Err(EncryptionError {
            reason: "the relying party's key is too weak, or of another kind than its algorithm",
        });
    }
    let (iv, rest) = randomness.split_at(IV);
    let (key, ephemeral) = rest.split_at(KEY);
    let key = &key[..recipient.block.cipher().key_len()];
    let content = seal_content(recipient.block, key, iv, octets).map_err(|_| failed.clone())?;
    let sealed = if recipient.transport == KeyTransport::EcdhEs {
        agreement::wrap(&recipient.key.0, recipient.block, key, ephemeral).map(SealedKey::Agreed)
    } else {
        let transported = transport(&recipient.key.0, recipient.transport, key);
        transported.ok().map(SealedKey::Transported)
    };
    Ok((content, sealed.ok_or(failed)?))
}

/// The initialisation vector, the cipher text, and the tag of GCM (XML Encryption 1.1 5.2).
fn seal_content(
    block: BlockEncryption,
    key: &[u8],
    iv: &[u8],
    octets: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    let cipher = block.cipher();
    if !block.is_authenticated() {
        // 5.2.2: the last octet counts the padding, which PKCS #7 does too.
        let text = encrypt_block(cipher, key, Some(iv), octets)?;
        return Ok([iv, &text].concat());
    }
    let iv = &iv[..GCM_IV];
    let mut tag = [0; GCM_TAG];
    let text = encrypt_aead(cipher, key, Some(iv), &[], octets, &mut tag)?;
    Ok([iv, &text, &tag].concat())
}

fn transport(
    public: &PKeyRef<Public>,
    transport: KeyTransport,
    key: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    let mut encrypter = Encrypter::new(public)?;
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
    if transport == KeyTransport::RsaOaepSha256 {
        encrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
        encrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
    }
    let mut wrapped = vec![0; encrypter.encrypt_len(key)?];
    let length = encrypter.encrypt(key, &mut wrapped)?;
    wrapped.truncate(length);
    Ok(wrapped)
}

/// `xenc:EncryptedKey`, which names whom it is for (SAML core errata E43).
fn write_key(w: &mut Writer, recipient: &Recipient<'_>, key: &SealedKey) {
    w.open(XENC, "EncryptedKey");
    w.attribute("Recipient", recipient.entity_id);
    match key {
        SealedKey::Transported(octets) => {
            method(w, recipient.transport.uri());
            write_transport_parameters(w, recipient.transport);
            w.close();
            cipher_data(w, octets);
        }
        SealedKey::Agreed(wrapped) => {
            method(w, wrapped.algorithm());
            w.close();
            w.open(DS, "KeyInfo");
            wrapped.write_agreement(w);
            w.close();
            cipher_data(w, &wrapped.octets);
        }
    }
    w.close();
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
