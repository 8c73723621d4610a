//! The name of a relying party that users see.

use super::{EntityDescriptor, Localized};

impl EntityDescriptor {
    /// The name to show users: mdui, service name, organization, else the entityID; in the first
    /// of `languages` that it has, else in its own first language.
    pub fn display_name(&self, languages: &[String]) -> String {
        let service_names = self
            .sp
            .attribute_consuming_services
            .first()
            .map(|service| service.names.as_slice())
            .unwrap_or_default();
        [
            self.sp.ui.display_names.as_slice(),
            service_names,
            self.organization_display_names.as_slice(),
        ]
        .into_iter()
        .find_map(|names| in_language(names, languages))
        .unwrap_or(&self.entity_id)
        .to_owned()
    }
}

/// The entry in the first wanted language: the exact tag, then the same primary language.
fn in_language<'a>(names: &'a [Localized], languages: &[String]) -> Option<&'a str> {
    languages
        .iter()
        .find_map(|wanted| {
            let exact = |name: &&Localized| name.lang.eq_ignore_ascii_case(wanted);
            let close =
                |name: &&Localized| primary(&name.lang).eq_ignore_ascii_case(primary(wanted));
            names.iter().find(exact).or(names.iter().find(close))
        })
        .or(names.first())
        .map(|name| name.value.as_str())
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::metadata::AttributeConsumingService;

    fn named(names: &[(&str, &str)]) -> Vec<Localized> {
        names
            .iter()
            .map(|(lang, value)| Localized {
                lang: (*lang).to_owned(),
                value: (*value).to_owned(),
            })
            .collect()
    }

    fn languages(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|&tag| tag.to_owned()).collect()
    }

    #[test]
    fn the_first_wanted_language_names_the_relying_party() {
        let mut entity = EntityDescriptor::default();
        entity.sp.ui.display_names =
            named(&[("en", "Wiki"), ("de", "Das Wiki"), ("fr", "Le wiki")]);
        for (wanted, name) in [
            (&["de", "en"][..], "Das Wiki"),
            (&["fr-CA"], "Le wiki"),
            (&["DE"], "Das Wiki"),
            (&["ja"], "Wiki"),
            (&[], "Wiki"),
        ] {
            assert_eq!(entity.display_name(&languages(wanted)), name, "{wanted:?}");
        }
    }

    #[test]
    fn without_mdui_the_service_then_the_organization_then_the_entity_id_names_it() {
        let mut entity = EntityDescriptor {
            entity_id: "https://sp.example.org/".to_owned(),
            ..EntityDescriptor::default()
        };
        assert_eq!(entity.display_name(&[]), "https://sp.example.org/");
        entity.organization_display_names = named(&[("en", "Example University")]);
        assert_eq!(entity.display_name(&[]), "Example University");
        entity
            .sp
            .attribute_consuming_services
            .push(AttributeConsumingService {
                names: named(&[("en", "Library")]),
                ..AttributeConsumingService::default()
            });
        assert_eq!(entity.display_name(&[]), "Library");
    }
}
