//! Whose users are asked before anything is sent, and what their answers are worth.

use crate::attribute::consent::{ConsentSettings, Terms};
use crate::config::read::audience;
use crate::config::reader::Reader;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<ConsentSettings> {
    let release = audience::read(reader, "vestibule.consent.attribute-release.relyingParties");
    let ignored = reader.list("vestibule.consent.attribute-release.ignoredAttributes");
    let terms = audience::read(reader, "vestibule.consent.terms-of-use.relyingParties");
    let key = reader.text("vestibule.consent.terms-of-use.key");
    let version = reader.text("vestibule.consent.terms-of-use.version");
    let allow_global = reader.flag("idp.consent.allowGlobal");
    let allow_do_not_remember = reader.flag("idp.consent.allowDoNotRemember");
    let compare_values = reader.flag("idp.consent.compareValues");
    let lifetime = reader.duration("idp.consent.storageRecordLifetime");
    let most_records = reader.count("idp.consent.expandedMaxStoredRecords");
    Some(ConsentSettings {
        release,
        terms,
        current_terms: Terms {
            key: key?,
            version: version?,
        },
        ignored: ignored.into_iter().collect(),
        allow_global: allow_global?,
        allow_do_not_remember: allow_do_not_remember?,
        compare_values: compare_values?,
        lifetime: lifetime?,
        most_records: most_records?,
    })
}
