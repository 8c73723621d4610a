//! Whether to encrypt for a relying party, with which of its keys, by which algorithms.

use super::{BlockEncryption, KeyTransport, Recipient};
use crate::saml::key::KeyKind;
use crate::saml::metadata::{EncryptionKey, EntityDescriptor};
use std::fmt;

/// Whether assertions are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncryptionPolicy {
    /// Never, whatever keys there are.
    Never,
    /// Always: a relying party without a usable key gets no assertion.
    #[default]
    Required,
    /// Where the relying party has a usable key (`idp.encryption.optional`).
    Optional,
}

/// How to encrypt for one relying party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncryptionSettings {
    /// Whether at all.
    pub policy: EncryptionPolicy,
    /// An explicit override for content, the only way to CBC.
    pub block: Option<BlockEncryption>,
    /// An explicit override for sending RSA keys; an EC key leaves no choice.
    pub transport: Option<KeyTransport>,
}

/// Why there is nobody to encrypt for where encryption is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRecipient {
    /// Metadata has no encryption key.
    NoKey,
    /// Metadata has keys, but none that is strong enough (S18).
    WeakKey,
    /// Metadata declares only algorithms that we do not use without an override.
    NoCommonAlgorithm,
}

impl fmt::Display for NoRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "encryption is required and metadata has no encryption key",
            Self::WeakKey => {
                "encryption is required and every key of metadata is too weak or of a kind not used"
            }
            Self::NoCommonAlgorithm => {
                "encryption is required and metadata declares no algorithm in use here"
            }
        })
    }
}

impl std::error::Error for NoRecipient {}

impl EncryptionSettings {
    /// Whom to encrypt for: the first usable key of metadata, by the algorithms declared for it
    /// (IIP-MD08, IIP-MD10). `None` means to send in the clear, and is never an answer where
    /// encryption is required.
    pub fn recipient(
        self,
        relying_party: &EntityDescriptor,
    ) -> Result<Option<Recipient<'_>>, NoRecipient> {
        match (self.policy, self.first_usable(relying_party)) {
            (EncryptionPolicy::Never, _) | (EncryptionPolicy::Optional, Err(_)) => Ok(None),
            (_, Ok(recipient)) => Ok(Some(recipient)),
            (EncryptionPolicy::Required, Err(problem)) => Err(problem),
        }
    }

    fn first_usable(self, relying_party: &EntityDescriptor) -> Result<Recipient<'_>, NoRecipient> {
        let mut problem = NoRecipient::NoKey;
        for key in &relying_party.sp.encryption_keys {
            match self.for_key(key) {
                Ok((block, transport)) => {
                    return Ok(Recipient {
                        entity_id: &relying_party.entity_id,
                        key: &key.key,
                        block,
                        transport,
                    });
                }
                Err(reason) => problem = reason,
            }
        }
        Err(problem)
    }

    fn for_key(self, key: &EncryptionKey) -> Result<(BlockEncryption, KeyTransport), NoRecipient> {
        let kind = KeyKind::of(&key.key.0).map_err(|_| NoRecipient::WeakKey)?;
        let block = match self.block {
            Some(block) => block,
            None => block(&key.methods).ok_or(NoRecipient::NoCommonAlgorithm)?,
        };
        let transport = match (kind, self.transport) {
            (KeyKind::Ec { .. }, _) => KeyTransport::EcdhEs,
            (KeyKind::Rsa, Some(chosen)) if chosen != KeyTransport::EcdhEs => chosen,
            (KeyKind::Rsa, _) => transport(&key.methods).ok_or(NoRecipient::NoCommonAlgorithm)?,
        };
        Ok((block, transport))
    }
}

/// The first declared mode that notices changes; what all SPs of today know if none is declared.
fn block(methods: &[String]) -> Option<BlockEncryption> {
    let mut declared = methods
        .iter()
        .filter(|uri| uri.ends_with("-gcm") || uri.ends_with("-cbc"))
        .peekable();
    if declared.peek().is_none() {
        return Some(BlockEncryption::Aes128Gcm);
    }
    declared
        .filter_map(|uri| BlockEncryption::from_uri(uri))
        .find(|block| block.is_authenticated())
}

/// The first declared transport that we use (SDP-ALG01: `rsa-oaep-mgf1p` if none is declared).
fn transport(methods: &[String]) -> Option<KeyTransport> {
    let mut declared = methods
        .iter()
        .filter(|uri| uri.contains("#rsa-"))
        .peekable();
    if declared.peek().is_none() {
        return Some(KeyTransport::RsaOaepMgf1p);
    }
    declared.find_map(|uri| KeyTransport::from_uri(uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::key::tests::{ec, rsa, self_signed};
    use crate::saml::metadata::{SpSsoDescriptor, TrustedKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};

    const CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
    const RSA15: &str = "http://www.w3.org/2001/04/xmlenc#rsa-1_5";
    const OAEP11: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
    const GCM256: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";

    fn entity(keys: &[(&PKey<Private>, &[&str])]) -> EntityDescriptor {
        let encryption_keys = keys
            .iter()
            .map(|(key, methods)| EncryptionKey {
                key: TrustedKey(self_signed(key).public_key().unwrap()),
                methods: methods.iter().map(|uri| (*uri).to_owned()).collect(),
            })
            .collect();
        EntityDescriptor {
            entity_id: "https://sp.example.org".to_owned(),
            sp: SpSsoDescriptor {
                encryption_keys,
                ..SpSsoDescriptor::default()
            },
            ..EntityDescriptor::default()
        }
    }

    type Chosen = Result<Option<(BlockEncryption, KeyTransport)>, NoRecipient>;

    fn choose(settings: EncryptionSettings, keys: &[(&PKey<Private>, &[&str])]) -> Chosen {
        let entity = entity(keys);
        let recipient = settings.recipient(&entity)?;
        Ok(recipient.map(|recipient| (recipient.block, recipient.transport)))
    }

    fn policy(policy: EncryptionPolicy) -> EncryptionSettings {
        EncryptionSettings {
            policy,
            ..EncryptionSettings::default()
        }
    }

    #[test]
    fn what_metadata_declares_is_used_and_else_what_every_sp_knows() {
        use BlockEncryption::{Aes128Gcm, Aes256Gcm};
        use KeyTransport::{EcdhEs, RsaOaepMgf1p, RsaOaepSha256};
        let (rsa, ec) = (rsa(2048), ec(Nid::SECP384R1));
        let required = policy(EncryptionPolicy::Required);
        for (key, methods, block, transport) in [
            (&rsa, &[][..], Aes128Gcm, RsaOaepMgf1p),
            (&rsa, &[CBC, GCM256, OAEP11], Aes256Gcm, RsaOaepSha256),
            (&rsa, &[RSA15, OAEP11], Aes128Gcm, RsaOaepSha256),
            (&rsa, &["urn:unknown"], Aes128Gcm, RsaOaepMgf1p),
            (&ec, &[GCM256], Aes256Gcm, EcdhEs),
        ] {
            let chosen = choose(required, &[(key, methods)]);
            assert_eq!(chosen, Ok(Some((block, transport))), "{methods:?}");
        }
    }

    #[test]
    fn cbc_is_used_by_override_and_never_because_metadata_declares_it() {
        let rsa = rsa(2048);
        let required = policy(EncryptionPolicy::Required);
        assert_eq!(
            choose(required, &[(&rsa, &[CBC])]),
            Err(NoRecipient::NoCommonAlgorithm)
        );
        let chosen = EncryptionSettings {
            block: Some(BlockEncryption::Aes128Cbc),
            ..required
        };
        assert_eq!(
            choose(chosen, &[(&rsa, &[CBC])]),
            Ok(Some((
                BlockEncryption::Aes128Cbc,
                KeyTransport::RsaOaepMgf1p
            )))
        );
    }

    #[test]
    fn s17_a_key_declared_for_rsa_1_5_alone_is_not_used() {
        assert_eq!(
            choose(
                policy(EncryptionPolicy::Required),
                &[(&rsa(2048), &[RSA15])]
            ),
            Err(NoRecipient::NoCommonAlgorithm)
        );
    }

    #[test]
    fn s18_a_weak_key_gives_way_to_the_next_and_alone_is_refused() {
        let (weak, strong) = (rsa(1024), rsa(2048));
        let required = policy(EncryptionPolicy::Required);
        assert_eq!(choose(required, &[(&weak, &[])]), Err(NoRecipient::WeakKey));
        assert!(matches!(
            choose(required, &[(&weak, &[]), (&strong, &[])]),
            Ok(Some(_))
        ));
    }

    #[test]
    fn only_an_optional_encryption_may_be_left_out() {
        let strong = rsa(2048);
        let none: &[(&PKey<Private>, &[&str])] = &[];
        let some: &[(&PKey<Private>, &[&str])] = &[(&strong, &[])];
        assert_eq!(
            choose(policy(EncryptionPolicy::Required), none),
            Err(NoRecipient::NoKey)
        );
        assert_eq!(choose(policy(EncryptionPolicy::Optional), none), Ok(None));
        assert!(matches!(
            choose(policy(EncryptionPolicy::Optional), some),
            Ok(Some(_))
        ));
        assert_eq!(choose(policy(EncryptionPolicy::Never), some), Ok(None));
    }
}
