//! Attributes everyone knows: inetOrgPerson, eduPerson, SCHAC, subject identifiers; one table.

/// A well-known attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Our id and the FriendlyName.
    pub id: &'static str,
    /// The SAML `Name` (NameFormat uri).
    pub name: &'static str,
    /// Whether its values carry our scope.
    pub scoped: bool,
}

/// The well-known attribute with this id.
pub fn standard(id: &str) -> Option<&'static Standard> {
    STANDARD.iter().find(|attribute| attribute.id == id)
}

/// The id of the well-known attribute with this SAML `Name`.
pub fn id_of_name(name: &str) -> Option<&'static str> {
    let mut known = STANDARD.iter();
    let found = known.find(|attribute| attribute.name == name);
    found.map(|attribute| attribute.id)
}

const fn plain(id: &'static str, name: &'static str) -> Standard {
    let scoped = false;
    Standard { id, name, scoped }
}

const fn scoped(id: &'static str, name: &'static str) -> Standard {
    let scoped = true;
    Standard { id, name, scoped }
}

/// Every well-known attribute.
pub const STANDARD: &[Standard] = &[
    // RFC 4519, RFC 4524, RFC 2798: person, organizationalPerson, inetOrgPerson.
    plain("uid", "urn:oid:0.9.2342.19200300.100.1.1"),
    plain("mail", "urn:oid:0.9.2342.19200300.100.1.3"),
    plain("homePhone", "urn:oid:0.9.2342.19200300.100.1.20"),
    plain("mobile", "urn:oid:0.9.2342.19200300.100.1.41"),
    plain("pager", "urn:oid:0.9.2342.19200300.100.1.42"),
    plain("cn", "urn:oid:2.5.4.3"),
    plain("sn", "urn:oid:2.5.4.4"),
    plain("serialNumber", "urn:oid:2.5.4.5"),
    plain("c", "urn:oid:2.5.4.6"),
    plain("l", "urn:oid:2.5.4.7"),
    plain("st", "urn:oid:2.5.4.8"),
    plain("street", "urn:oid:2.5.4.9"),
    plain("o", "urn:oid:2.5.4.10"),
    plain("ou", "urn:oid:2.5.4.11"),
    plain("title", "urn:oid:2.5.4.12"),
    plain("description", "urn:oid:2.5.4.13"),
    plain("postalAddress", "urn:oid:2.5.4.16"),
    plain("postalCode", "urn:oid:2.5.4.17"),
    plain("telephoneNumber", "urn:oid:2.5.4.20"),
    plain("facsimileTelephoneNumber", "urn:oid:2.5.4.23"),
    plain("givenName", "urn:oid:2.5.4.42"),
    plain("initials", "urn:oid:2.5.4.43"),
    plain("departmentNumber", "urn:oid:2.16.840.1.113730.3.1.2"),
    plain("employeeNumber", "urn:oid:2.16.840.1.113730.3.1.3"),
    plain("employeeType", "urn:oid:2.16.840.1.113730.3.1.4"),
    plain("preferredLanguage", "urn:oid:2.16.840.1.113730.3.1.39"),
    plain("displayName", "urn:oid:2.16.840.1.113730.3.1.241"),
    plain("labeledURI", "urn:oid:1.3.6.1.4.1.250.1.57"),
    plain("roomNumber", "urn:oid:0.9.2342.19200300.100.1.6"),
    plain("manager", "urn:oid:0.9.2342.19200300.100.1.10"),
    plain("secretary", "urn:oid:0.9.2342.19200300.100.1.21"),
    plain("dc", "urn:oid:0.9.2342.19200300.100.1.25"),
    plain("homePostalAddress", "urn:oid:0.9.2342.19200300.100.1.39"),
    plain("businessCategory", "urn:oid:2.5.4.15"),
    plain("postOfficeBox", "urn:oid:2.5.4.18"),
    plain("physicalDeliveryOfficeName", "urn:oid:2.5.4.19"),
    plain("seeAlso", "urn:oid:2.5.4.34"),
    plain("carLicense", "urn:oid:2.16.840.1.113730.3.1.1"),
    // RFC 2307, and Active Directory.
    plain("uidNumber", "urn:oid:1.3.6.1.1.1.1.0"),
    plain("gidNumber", "urn:oid:1.3.6.1.1.1.1.1"),
    plain("memberOf", "urn:oid:1.2.840.113556.1.2.102"),
    plain("sAMAccountName", "urn:oid:1.2.840.113556.1.4.221"),
    plain("userPrincipalName", "urn:oid:1.2.840.113556.1.4.656"),
    // eduPerson.
    plain("eduPersonAffiliation", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"),
    plain("eduPersonNickname", "urn:oid:1.3.6.1.4.1.5923.1.1.1.2"),
    plain("eduPersonOrgDN", "urn:oid:1.3.6.1.4.1.5923.1.1.1.3"),
    plain("eduPersonOrgUnitDN", "urn:oid:1.3.6.1.4.1.5923.1.1.1.4"),
    plain(
        "eduPersonPrimaryAffiliation",
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.5",
    ),
    scoped("eduPersonPrincipalName", "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"),
    plain("eduPersonEntitlement", "urn:oid:1.3.6.1.4.1.5923.1.1.1.7"),
    plain(
        "eduPersonPrimaryOrgUnitDN",
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.8",
    ),
    scoped(
        "eduPersonScopedAffiliation",
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.9",
    ),
    plain("eduPersonAssurance", "urn:oid:1.3.6.1.4.1.5923.1.1.1.11"),
    scoped(
        "eduPersonPrincipalNamePrior",
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.12",
    ),
    scoped("eduPersonUniqueId", "urn:oid:1.3.6.1.4.1.5923.1.1.1.13"),
    plain("eduPersonOrcid", "urn:oid:1.3.6.1.4.1.5923.1.1.1.16"),
    plain("eduPersonAnalyticsTag", "urn:oid:1.3.6.1.4.1.5923.1.1.1.17"),
    plain(
        "eduPersonDisplayPronouns",
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.18",
    ),
    plain("eduCourseOffering", "urn:oid:1.3.6.1.4.1.5923.1.6.1.1"),
    plain("eduCourseMember", "urn:oid:1.3.6.1.4.1.5923.1.6.1.2"),
    plain("isMemberOf", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1"),
    // SCHAC 1.5.
    plain("schacMotherTongue", "urn:oid:1.3.6.1.4.1.25178.1.2.1"),
    plain("schacGender", "urn:oid:1.3.6.1.4.1.25178.1.2.2"),
    plain("schacDateOfBirth", "urn:oid:1.3.6.1.4.1.25178.1.2.3"),
    plain("schacPlaceOfBirth", "urn:oid:1.3.6.1.4.1.25178.1.2.4"),
    plain(
        "schacCountryOfCitizenship",
        "urn:oid:1.3.6.1.4.1.25178.1.2.5",
    ),
    plain("schacSn1", "urn:oid:1.3.6.1.4.1.25178.1.2.6"),
    plain("schacSn2", "urn:oid:1.3.6.1.4.1.25178.1.2.7"),
    plain("schacPersonalTitle", "urn:oid:1.3.6.1.4.1.25178.1.2.8"),
    plain("schacHomeOrganization", "urn:oid:1.3.6.1.4.1.25178.1.2.9"),
    plain(
        "schacHomeOrganizationType",
        "urn:oid:1.3.6.1.4.1.25178.1.2.10",
    ),
    plain(
        "schacCountryOfResidence",
        "urn:oid:1.3.6.1.4.1.25178.1.2.11",
    ),
    plain("schacUserPresenceID", "urn:oid:1.3.6.1.4.1.25178.1.2.12"),
    plain("schacPersonalPosition", "urn:oid:1.3.6.1.4.1.25178.1.2.13"),
    plain(
        "schacPersonalUniqueCode",
        "urn:oid:1.3.6.1.4.1.25178.1.2.14",
    ),
    plain("schacPersonalUniqueID", "urn:oid:1.3.6.1.4.1.25178.1.2.15"),
    plain(
        "schacUserPrivateAttribute",
        "urn:oid:1.3.6.1.4.1.25178.1.2.18",
    ),
    plain("schacUserStatus", "urn:oid:1.3.6.1.4.1.25178.1.2.19"),
    // SAML V2.0 Subject Identifier Attributes Profile 1.0.
    scoped("subject-id", "urn:oasis:names:tc:SAML:attribute:subject-id"),
    scoped(
        "pairwise-id",
        "urn:oasis:names:tc:SAML:attribute:pairwise-id",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_names_are_unique() {
        let ids: BTreeSet<_> = STANDARD.iter().map(|attribute| attribute.id).collect();
        let names: BTreeSet<_> = STANDARD.iter().map(|attribute| attribute.name).collect();
        assert_eq!((ids.len(), names.len()), (STANDARD.len(), STANDARD.len()));
    }

    #[test]
    fn the_principal_name_is_scoped_and_mail_is_not() {
        let of = |id| standard(id).unwrap();
        assert_eq!(
            of("eduPersonPrincipalName").name,
            "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
        );
        assert!(of("eduPersonPrincipalName").scoped);
        assert!(!of("mail").scoped);
        assert_eq!(standard("eMail"), None);
    }
}
