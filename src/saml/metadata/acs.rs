//! Which assertion consumer service an answer goes to (SAML core 3.4.1, SAML metadata 2.2.3).

use super::{IndexedEndpoint, SpSsoDescriptor};
use crate::saml::binding::Binding;

/// The bindings that we can answer by, in our order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerBy {
    /// HTTP-POST.
    #[default]
    Post,
    /// HTTP-POST, or HTTP-Artifact where that is what the relying party names or all it has.
    PostOrArtifact,
    /// PAOS: the answer travels by way of an enhanced client (SAML profiles 4.2).
    Paos,
}

impl AnswerBy {
    fn bindings(self) -> &'static [Binding] {
        match self {
            Self::Post => &[Binding::Post],
            Self::PostOrArtifact => &[Binding::Post, Binding::Artifact],
            Self::Paos => &[Binding::Paos],
        }
    }
}

/// What a request says of the endpoint it wants its answer at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcsWish<'a> {
    /// `AssertionConsumerServiceURL`.
    pub url: Option<&'a str>,
    /// `ProtocolBinding`.
    pub binding: Option<&'a str>,
    /// `AssertionConsumerServiceIndex`.
    pub index: Option<&'a str>,
    /// What we can do, which is not the relying party's to say.
    pub answer_by: AnswerBy,
}

/// Why no endpoint of metadata fits a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcsProblem {
    /// Metadata has no such endpoint: nothing may be sent anywhere.
    NotInMetadata,
    /// Metadata has it, but for a binding that we cannot answer by.
    UnsupportedBinding,
}

impl SpSsoDescriptor {
    /// The endpoint that meets everything the wish names; among several, the default rule.
    ///
    /// Locations are compared as plain strings (SDP-IDP06): no case folding, no decoding.
    pub fn assertion_consumer_service(
        &self,
        wish: &AcsWish<'_>,
    ) -> Result<&IndexedEndpoint, AcsProblem> {
        let index = match wish.index {
            Some(text) => Some(super::role::unsigned_short(text).ok_or(AcsProblem::NotInMetadata)?),
            None => None,
        };
        let named: Vec<&IndexedEndpoint> = self
            .assertion_consumer_services
            .iter()
            .filter(|acs| wish.url.is_none_or(|url| acs.endpoint.location == url))
            .filter(|acs| index.is_none_or(|index| acs.index == index))
            .collect();
        if named.is_empty() {
            return Err(AcsProblem::NotInMetadata);
        }
        let mut usable = wish.answer_by.bindings().iter();
        usable
            .find_map(|binding| {
                if wish.binding.is_some_and(|uri| uri != binding.uri()) {
                    return None;
                }
                let by_it = |acs: &&&IndexedEndpoint| acs.endpoint.binding == *binding;
                by_default_rule(&named.iter().filter(by_it).copied().collect::<Vec<_>>())
            })
            .ok_or(AcsProblem::UnsupportedBinding)
    }
}

/// SAML metadata 2.2.3: the first marked as default, else the first not marked as no default,
/// else the first.
fn by_default_rule<'a>(endpoints: &[&'a IndexedEndpoint]) -> Option<&'a IndexedEndpoint> {
    let first_with = |mark| endpoints.iter().find(|acs| acs.is_default == mark);
    first_with(Some(true))
        .or_else(|| first_with(None))
        .or_else(|| endpoints.first())
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::metadata::Endpoint;

    fn acs(index: u16, is_default: Option<bool>, binding: Binding, path: &str) -> IndexedEndpoint {
        IndexedEndpoint {
            index,
            is_default,
            endpoint: Endpoint {
                binding,
                location: format!("https://sp.example.org/{path}"),
                response_location: None,
            },
        }
    }

    fn sp(services: Vec<IndexedEndpoint>) -> SpSsoDescriptor {
        SpSsoDescriptor {
            assertion_consumer_services: services,
            ..SpSsoDescriptor::default()
        }
    }

    fn default_index(marks: &[Option<bool>]) -> u16 {
        let services = (0..)
            .zip(marks)
            .map(|(i, mark)| acs(i, *mark, Binding::Post, "a"));
        sp(services.collect())
            .assertion_consumer_service(&AcsWish::default())
            .expect("an endpoint")
            .index
    }

    #[test]
    fn the_default_rule_is_that_of_metadata_2_2_3() {
        assert_eq!(default_index(&[None, Some(true)]), 1);
        assert_eq!(default_index(&[Some(false), None]), 1);
        assert_eq!(default_index(&[Some(false), Some(false)]), 0);
        assert_eq!(default_index(&[None, None]), 0);
        assert_eq!(default_index(&[Some(true), Some(true)]), 0);
    }

    #[test]
    fn a_default_by_another_binding_gives_way_to_a_post_endpoint() {
        let sp = sp(vec![
            acs(0, Some(true), Binding::Artifact, "artifact"),
            acs(1, None, Binding::Post, "post"),
        ]);
        let chosen = sp.assertion_consumer_service(&AcsWish::default());
        assert_eq!(chosen.map(|acs| acs.index), Ok(1));
    }

    #[test]
    fn url_index_and_binding_must_all_be_met() {
        let sp = sp(vec![
            acs(0, None, Binding::Post, "one"),
            acs(1, None, Binding::Post, "two"),
            acs(2, None, Binding::Artifact, "two"),
        ]);
        let choose = |url, index, binding| {
            sp.assertion_consumer_service(&AcsWish {
                url,
                binding,
                index,
                ..AcsWish::default()
            })
            .map(|acs| acs.index)
        };
        let two = Some("https://sp.example.org/two");
        let post = Some(Binding::Post.uri());
        assert_eq!(choose(two, None, None), Ok(1));
        assert_eq!(choose(two, None, post), Ok(1));
        assert_eq!(choose(None, Some("1"), None), Ok(1));
        assert_eq!(choose(two, Some("1"), post), Ok(1));
        assert_eq!(choose(two, Some("0"), None), Err(AcsProblem::NotInMetadata));
        assert_eq!(
            choose(None, Some("2"), None),
            Err(AcsProblem::UnsupportedBinding)
        );
        let artifact = Some(Binding::Artifact.uri());
        assert_eq!(
            choose(two, None, artifact),
            Err(AcsProblem::UnsupportedBinding)
        );
        assert_eq!(
            choose(None, None, Some("urn:x")),
            Err(AcsProblem::UnsupportedBinding)
        );
    }

    #[test]
    fn artifact_is_used_where_it_is_named_or_all_there_is_and_paos_for_enhanced_clients() {
        let all = sp(vec![
            acs(0, Some(true), Binding::Artifact, "artifact"),
            acs(1, None, Binding::Post, "post"),
            acs(2, None, Binding::Paos, "paos"),
        ]);
        let choose = |sp: &SpSsoDescriptor, index, answer_by| {
            let wish = AcsWish {
                index,
                answer_by,
                ..AcsWish::default()
            };
            sp.assertion_consumer_service(&wish).map(|acs| acs.index)
        };
        let both = AnswerBy::PostOrArtifact;
        assert_eq!(choose(&all, None, both), Ok(1));
        assert_eq!(choose(&all, Some("0"), both), Ok(0));
        assert_eq!(choose(&all, None, AnswerBy::Paos), Ok(2));
        let unsupported = Err(AcsProblem::UnsupportedBinding);
        assert_eq!(choose(&all, Some("1"), AnswerBy::Paos), unsupported);
        let artifact = sp(vec![acs(0, None, Binding::Artifact, "artifact")]);
        assert_eq!(choose(&artifact, None, both), Ok(0));
        assert_eq!(choose(&artifact, None, AnswerBy::Post), unsupported);
    }
}
