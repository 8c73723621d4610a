//! Character data and attribute values as Canonical XML 1.0 2.3 writes them.

use super::characters;

/// Appends character data. A character XML forbids (1.0 2.2) becomes U+FFFD: no document can carry
/// it, and dropping it would join what stood apart.
pub(super) fn push_text(out: &mut String, text: &str) {
    push(out, text, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends an attribute value, to stand between double quotes; forbidden characters as above.
pub(super) fn push_attribute(out: &mut String, value: &str) {
    push(out, value, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#x9;"),
        '\n' => Some("&#xA;"),
        '\r' => Some("&#xD;"),
        _ => None,
    });
}

fn push(out: &mut String, text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    if !characters::any_octet(text, may_need_escape) {
        out.push_str(text);
        return;
    }
    let mut written = 0;
    for (at, character) in text.char_indices() {
        let replacement = match escape(character) {
            Some(replacement) => replacement,
            None if characters::is_allowed(character) => continue,
            None => "\u{FFFD}",
        };
        out.push_str(&text[written..at]);
        out.push_str(replacement);
        written = at + character.len_utf8();
    }
    out.push_str(&text[written..]);
}

/// Whether a character that starts with this octet may need more than copying; U+FFFE and U+FFFF
/// start with 0xEF.
fn may_need_escape(octet: u8) -> bool {
    octet < 0x20 || matches!(octet, b'&' | b'<' | b'>' | b'"' | 0xEF)
}
