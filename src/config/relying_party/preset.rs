//! Settings that well-known services need; docs/relying-parties.md says why.

use super::Changes;
use crate::saml::context::{AuthnContextClassRef, REFEDS_MFA};
use crate::saml::encryption::EncryptionPolicy;
use crate::saml::name_id::{EMAIL, PERSISTENT, TRANSIENT, UNSPECIFIED};

/// What Microsoft Entra takes as proof of two factors.
const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// The preset of this name.
pub(in crate::config) fn preset(name: &str) -> Option<Changes> {
    let formats = |formats: &[&str]| {
        let formats = formats.iter().map(|format| (*format).to_owned());
        Some(formats.collect())
    };
    let preferred = |class: &str| Some(vec![AuthnContextClassRef::new(class)]);
    let plain = Changes::default();
    Some(match name {
        // IAM Identity Center and Cognito cannot decrypt.
        "aws" => Changes {
            encryption: Some(EncryptionPolicy::Never),
            name_id_formats: formats(&[PERSISTENT, TRANSIENT]),
            ..plain
        },
        "google-workspace" | "zoom" => Changes {
            name_id_formats: formats(&[EMAIL]),
            ..plain
        },
        // Entra wants one class, its own for two factors, and the immutable id as persistent name.
        "microsoft-entra" => Changes {
            sign_assertions: Some(true),
            encryption: Some(EncryptionPolicy::Never),
            name_id_formats: formats(&[PERSISTENT]),
            preferred_classes: preferred(MULTIPLE_AUTHN),
            ..plain
        },
        "servicenow" => Changes {
            name_id_formats: formats(&[EMAIL, UNSPECIFIED]),
            ..plain
        },
        "workday" => Changes {
            name_id_formats: formats(&[UNSPECIFIED]),
            ..plain
        },
        "nih" => Changes {
            name_id_formats: formats(&[PERSISTENT, TRANSIENT]),
            preferred_classes: preferred(REFEDS_MFA),
            ..plain
        },
        _ => return None,
    })
}
