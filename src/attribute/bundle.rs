//! Attribute bundles of entity categories, as ready-made rules.

use crate::attribute::filter::Requested;

/// What relying parties of a category may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The name in `vestibule.release.NAME.bundle`.
    pub name: &'static str,
    /// The category's URI.
    pub category: &'static str,
    /// Attribute ids.
    pub attributes: &'static [&'static str],
    /// Whether it is limited to what metadata requests.
    pub requested: Requested,
}

/// The bundle of this name.
pub fn bundle(name: &str) -> Option<&'static Bundle> {
    BUNDLES.iter().find(|bundle| bundle.name == name)
}

/// Every bundle.
pub const BUNDLES: &[Bundle] = &[
    // REFEDS Research and Scholarship 1.3, section 5.
    Bundle {
        name: "rs",
        category: "http://refeds.org/category/research-and-scholarship",
        attributes: &[
            "eduPersonPrincipalName",
            "mail",
            "displayName",
            "givenName",
            "sn",
            "eduPersonScopedAffiliation",
        ],
        requested: Requested::Ignore,
    },
    // REFEDS Data Protection Code of Conduct 2.0: what the service needs, and no more.
    Bundle {
        name: "coco",
        category: "https://refeds.org/category/code-of-conduct/v2",
        attributes: &[
            "cn",
            "displayName",
            "eduPersonAffiliation",
            "eduPersonAssurance",
            "eduPersonOrcid",
            "eduPersonPrincipalName",
            "eduPersonScopedAffiliation",
            "givenName",
            "mail",
            "o",
            "pairwise-id",
            "schacHomeOrganization",
            "schacHomeOrganizationType",
            "sn",
            "subject-id",
        ],
        requested: Requested::Required,
    },
    Bundle {
        name: "anonymous",
        category: "https://refeds.org/category/anonymous",
        attributes: &["eduPersonScopedAffiliation", "schacHomeOrganization"],
        requested: Requested::Ignore,
    },
    Bundle {
        name: "pseudonymous",
        category: "https://refeds.org/category/pseudonymous",
        attributes: &[
            "pairwise-id",
            "eduPersonScopedAffiliation",
            "schacHomeOrganization",
            "eduPersonAssurance",
        ],
        requested: Requested::Ignore,
    },
    Bundle {
        name: "personalized",
        category: "https://refeds.org/category/personalized",
        attributes: &[
            "subject-id",
            "displayName",
            "givenName",
            "sn",
            "mail",
            "eduPersonScopedAffiliation",
            "schacHomeOrganization",
            "eduPersonAssurance",
        ],
        requested: Requested::Ignore,
    },
];
