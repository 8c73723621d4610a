//! What pages look like, beside `views/` and `messages/`.

use crate::config::reader::Reader;
use crate::config::settings::UiSettings;
use std::collections::BTreeMap;

/// A style sheet for one page is not longer.
const LONGEST_STYLE: usize = 64 * 1024;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<UiSettings> {
    let fallback_languages = reader.list("idp.ui.fallbackLanguages");
    let powered_by = reader.flag("vestibule.ui.poweredBy");
    let duo_styles = styles(reader);
    Some(UiSettings {
        fallback_languages,
        powered_by: powered_by?,
        duo_styles,
    })
}

/// Style sheets by integration. They are served as files of their own, so nothing in them can break
/// out of a page.
fn styles(reader: &mut Reader<'_>) -> BTreeMap<String, Vec<u8>> {
    let integrations = reader.values.names_under("vestibule.duo.integration.");
    let further = integrations.into_iter().map(|name| {
        let key = format!("vestibule.duo.integration.{name}.style");
        (name, key)
    });
    let default = ("default".to_owned(), "vestibule.duo.style".to_owned());
    let keys: Vec<_> = further.chain([default]).collect();
    let style = |(name, key): (String, String)| Some((name, style(reader, &key)?));
    keys.into_iter().filter_map(style).collect()
}

fn style(reader: &mut Reader<'_>, key: &str) -> Option<Vec<u8>> {
    let sheet = reader.file(key)?;
    let text = std::str::from_utf8(&sheet).ok();
    let whole =
        text.is_some_and(|text| !text.trim_start().starts_with('<') && !text.contains('\0'));
    if sheet.len() <= LONGEST_STYLE && whole {
        return Some(sheet);
    }
    let expected = "CSS in UTF-8 of at most 64K";
    let found = if whole {
        "a longer file"
    } else {
        "a file that is no CSS"
    };
    reader.error(key, found, expected, "name a style sheet");
    None
}
