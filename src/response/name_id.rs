//! The subject's NameID: which format, from what, and whether the request may have it (SAML core
//! 3.4.1.1, 3.4.1.4, 8.3).

use crate::attribute::pairwise::{Encoding, Salt, persistent};
use crate::attribute::{Attribute, AttributeSettings, KEY, SourceRecord, Subject, values_of};
use crate::authn::event::Event;
use crate::saml::metadata::EntityDescriptor;
use crate::saml::name_id::{EMAIL, NameId, NameIdPolicy, PERSISTENT, TRANSIENT, UNSPECIFIED};
use crate::saml::request::AuthnRequest;
use std::borrow::Cow;

/// The longest value that may be sent (SAML core 8.3.7; SDP-G02).
const MAX_VALUE: usize = 256;

/// How NameIDs are made (`saml-nameid.properties`).
#[derive(Clone, Debug)]
pub struct NameIdRules {
    /// The makers in our order of preference; several may make one format, the first with a value
    /// counts.
    pub makers: Vec<Maker>,
    /// The format where neither request nor metadata chooses (`idp.nameid.saml2.default`).
    pub default_format: String,
}

impl Default for NameIdRules {
    /// Transient alone.
    fn default() -> Self {
        Self {
            makers: vec![Maker::Transient],
            default_format: TRANSIENT.to_owned(),
        }
    }
}

/// What makes a NameID of one format.
#[derive(Clone, Debug)]
pub enum Maker {
    /// Fresh and meaningless (SAML core 8.3.8).
    Transient,
    /// Computed for this relying party (SAML core 8.3.7).
    Persistent(Computed),
    /// Kept for this relying party (SAML core 8.3.7).
    Stored {
        /// The source attributes, the first that has exactly one value: the key of what is kept.
        sources: Vec<String>,
        /// How an identifier begins its life; at random when absent.
        initial: Option<Computed>,
    },
    /// An attribute's first usable value: emailAddress, unspecified, or a format of one's own.
    Attribute {
        /// The format it makes.
        format: String,
        /// The source attributes, the first that has a value.
        sources: Vec<String>,
        /// From any value, and not only from those that are released as attributes too.
        unfiltered: bool,
    },
}

/// How persistent identifiers are computed (`idp.persistentId.*`).
#[derive(Clone, Debug)]
pub struct Computed {
    /// The source attributes, the first that has exactly one value.
    pub sources: Vec<String>,
    /// The secret.
    pub salt: Salt,
    /// How the value is written.
    pub encoding: Encoding,
}

/// The stored identifier that an answer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The source's value: the user, as the table knows it.
    pub local_id: String,
    /// What a new identifier is to be; anything unpredictable when absent.
    pub initial: Option<String>,
    /// Whether one may be created. A request that names its subject asks for one that is known.
    pub may_create: bool,
}

/// Who asks, and what is known of the subject.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a AuthnRequest,
    /// The relying party, whose metadata may name formats.
    pub relying_party: &'a EntityDescriptor,
    /// Our entityID.
    pub issuer: &'a str,
    /// The subject's source attributes.
    pub record: &'a SourceRecord,
    /// What the relying party gets as attributes.
    pub released: &'a [Attribute],
    /// Unpredictable and never used again: what a transient is made of.
    pub token: &'a str,
    /// The identifier that [`NameIdRules::needs`] asked for.
    pub stored: Option<&'a str>,
}

impl NameIdRules {
    /// The rules for a relying party that may have these formats alone, the first one by default,
    /// and whose attribute-made formats come from this source.
    #[must_use]
    pub fn limited(mut self, formats: Option<&[String]>, source: Option<&str>) -> Self {
        if let Some(formats) = formats {
            self.makers
                .retain(|maker| formats.iter().any(|format| format == maker.format()));
            if let Some(first) = formats.first() {
                self.default_format.clone_from(first);
            }
        }
        if let Some(source) = source {
            for maker in &mut self.makers {
                if let Maker::Attribute {
                    sources,
                    unfiltered,
                    ..
                } = maker
                {
                    // Who names a source for one relying party means it to have the value.
                    *unfiltered = true;
                    *sources = vec![source.to_owned()];
                }
            }
        }
        self
    }

    /// Every format that can be made, the wanted first.
    pub fn formats(&self) -> Vec<String> {
        let mut formats: Vec<String> = Vec::new();
        for maker in &self.makers {
            if !formats.iter().any(|known| known == maker.format()) {
                formats.push(maker.format().to_owned());
            }
        }
        formats
    }

    /// What NameIDs are made from: the record, and of what it lacks the user's name and attributes
    /// that are defined.
    pub fn record<'r>(
        &self,
        settings: &AttributeSettings,
        subject: &Subject<'r>,
    ) -> Cow<'r, SourceRecord> {
        let mut record = Cow::Borrowed(subject.record);
        for source in self.makers.iter().flat_map(Maker::sources) {
            if record.get(source).is_some_and(|values| !values.is_empty()) {
                continue;
            }
            let own_name = || (source == KEY).then(|| vec![subject.username.to_owned()]);
            let made = values_of(settings, source, subject).filter(|made| !made.is_empty());
            if let Some(values) = made.or_else(own_name) {
                record.to_mut().insert(source.clone(), values);
            }
        }
        record
    }

    /// The NameID that answers the request, or the event that says why there is none.
    ///
    /// AllowCreate is not looked at: computed identifiers exist before anybody asks, and a transient
    /// is no lasting identifier (SAML core 3.4.1.1).
    pub fn name_id(&self, asked: &Asked<'_>) -> Result<NameId, Event> {
        check_qualifier(&asked.request.name_id_policy, &asked.request.issuer)?;
        let found = self
            .wanted(asked)
            .iter()
            .find_map(|format| self.of_format(format, asked))
            .ok_or(Event::InvalidNameIdPolicy)?;
        match &asked.request.subject {
            Some(wanted) if !matches(wanted, &found) => Err(Event::InvalidSubject),
            _ => Ok(found),
        }
    }

    /// The stored identifier that the answer to this request is, if it is one.
    pub fn needs(&self, asked: &Asked<'_>) -> Option<Needed> {
        check_qualifier(&asked.request.name_id_policy, &asked.request.issuer).ok()?;
        let formats = self.wanted(asked);
        let makers = formats.iter().flat_map(|format| {
            self.makers
                .iter()
                .filter(move |maker| maker.format() == *format)
        });
        for maker in makers {
            let Maker::Stored { sources, initial } = maker else {
                if maker.make(asked).is_some() {
                    return None;
                }
                continue;
            };
            if let Some(local_id) = only_value(sources, asked.record) {
                return Some(Needed {
                    local_id: local_id.to_owned(),
                    initial: initial.as_ref().and_then(|computed| computed.value(asked)),
                    may_create: asked.request.subject.is_none(),
                });
            }
        }
        None
    }

    /// The formats that may answer, the wanted first: the one that the request insists on, else the
    /// one of the subject it names, else those of metadata in its order, else the default.
    fn wanted<'a>(&'a self, asked: &Asked<'a>) -> Vec<&'a str> {
        let request = asked.request;
        let named = request.name_id_policy.format.as_deref();
        let of_subject = request.subject.as_ref().map(|s| s.format.as_str());
        if let Some(format) = [named, of_subject]
            .into_iter()
            .flatten()
            .find(|format| *format != UNSPECIFIED)
        {
            return vec![format];
        }
        let declared = &asked.relying_party.sp.name_id_formats;
        let known = declared
            .iter()
            .map(String::as_str)
            .filter(|format| self.makers.iter().any(|maker| maker.format() == *format));
        known.chain([self.default_format.as_str()]).collect()
    }

    fn of_format(&self, format: &str, asked: &Asked<'_>) -> Option<NameId> {
        self.makers
            .iter()
            .filter(|maker| maker.format() == format)
            .find_map(|maker| maker.make(asked))
    }
}

/// SAML core 3.4.1.1: a name space that is not the requester's own would be another's.
fn check_qualifier(policy: &NameIdPolicy, relying_party: &str) -> Result<(), Event> {
    match policy.sp_name_qualifier.as_deref() {
        None => Ok(()),
        Some(own) if own == relying_party => Ok(()),
        Some(_) => Err(Event::InvalidNameIdPolicy),
    }
}

/// SAML core 3.3.4: what the request leaves out matches anything.
fn matches(wanted: &NameId, found: &NameId) -> bool {
    let qualifier =
        |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    wanted.value == found.value
        && (wanted.format == UNSPECIFIED || wanted.format == found.format)
        && qualifier(&wanted.name_qualifier, &found.name_qualifier)
        && qualifier(&wanted.sp_name_qualifier, &found.sp_name_qualifier)
}

impl Maker {
    fn sources(&self) -> &[String] {
        match self {
            Self::Transient => &[],
            Self::Persistent(computed) => &computed.sources,
            Self::Stored { sources, .. } | Self::Attribute { sources, .. } => sources,
        }
    }

    /// The format it makes.
    pub fn format(&self) -> &str {
        match self {
            Self::Transient => TRANSIENT,
            Self::Persistent(_) | Self::Stored { .. } => PERSISTENT,
            Self::Attribute { format, .. } => format,
        }
    }

    fn make(&self, asked: &Asked<'_>) -> Option<NameId> {
        let value = match self {
            Self::Transient => format!("_{}", asked.token),
            Self::Persistent(computed) => computed.value(asked)?,
            Self::Stored { .. } => asked.stored?.to_owned(),
            Self::Attribute {
                format,
                sources,
                unfiltered,
            } => first_value(sources, asked.record, |id, value| {
                (*unfiltered || asked.gets(id, value)) && (format != EMAIL || is_address(value))
            })?
            .to_owned(),
        };
        // Pairwise formats name both ends; an attribute's value is known beyond the two.
        let pairwise = !matches!(self, Self::Attribute { .. });
        Some(NameId {
            value,
            format: self.format().to_owned(),
            name_qualifier: pairwise.then(|| asked.issuer.to_owned()),
            sp_name_qualifier: pairwise.then(|| asked.request.issuer.clone()),
        })
    }
}

impl Computed {
    fn value(&self, asked: &Asked<'_>) -> Option<String> {
        let source = only_value(&self.sources, asked.record)?;
        let relying_party = &asked.request.issuer;
        Some(persistent(relying_party, source, &self.salt, self.encoding))
    }
}

impl Asked<'_> {
    /// Whether the relying party gets this value of this attribute as it is.
    fn gets(&self, id: &str, value: &str) -> bool {
        let mut attributes = self.released.iter();
        attributes.any(|one| one.id == id && one.values.iter().any(|known| known == value))
    }
}

/// Something on each side of one `@`.
fn is_address(value: &str) -> bool {
    value.split('@').filter(|part| !part.is_empty()).count() == 2
}

/// The value of the first source that has exactly one. Of two the directory may name either first
/// tomorrow: that is no identifier.
fn only_value<'a>(sources: &[String], record: &'a SourceRecord) -> Option<&'a str> {
    let mut found = sources.iter().filter_map(|id| record.get(id));
    found.find_map(|values| match &values[..] {
        [only] if !only.is_empty() => Some(only.as_str()),
        _ => None,
    })
}

/// The first value of the first source that has a usable one.
fn first_value<'a>(
    sources: &[String],
    record: &'a SourceRecord,
    usable: impl Fn(&str, &str) -> bool,
) -> Option<&'a str> {
    let values_of = |id: &String| record.get(id).into_iter().flatten();
    let mut values = sources
        .iter()
        .flat_map(|id| values_of(id).map(move |value| (id, value.as_str())));
    let found = values
        .find(|(id, value)| !value.is_empty() && value.len() <= MAX_VALUE && usable(id, value));
    found.map(|(_, value)| value)
}
