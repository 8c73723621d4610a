//! What keeps hostile values inside their field and their line, and brings them back.
//!
//! The separator itself never appears inside a value, so that `cut -d'|'` stays right: an escape
//! is `\` and a fixed number of hexadecimal digits.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes control characters, the backslash, characters that disorder a terminal, and whatever
/// else the caller reserves.
pub fn escape(value: &str, reserved: impl Fn(char) -> bool) -> Cow<'_, str> {
    let unsafe_char = |c: char| c == '\\' || is_disruptive(c) || reserved(c);
    let Some(first) = value.find(unsafe_char) else {
        return Cow::Borrowed(value);
    };
    let mut escaped = String::with_capacity(value.len() + 16);
    escaped.push_str(&value[..first]);
    for c in value[first..].chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            c if unsafe_char(c) => push_code(&mut escaped, c),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the marks that reorder or
/// hide text on a terminal.
fn is_disruptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn push_code(out: &mut String, c: char) {
    let code = u32::from(c);
    let written = match code {
        ..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("writing to a String cannot fail");
}

/// The inverse of [`escape`]; `None` for text that [`escape`] cannot have made.
pub fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let (c, used) = decode(&rest[at + 1..])?;
        plain.push(c);
        rest = &rest[at + 1 + used..];
    }
    plain.push_str(rest);
    Some(plain)
}

fn decode(after_backslash: &str) -> Option<(char, usize)> {
    let digits = match after_backslash.chars().next()? {
        '\\' => return Some(('\\', 1)),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let code = u32::from_str_radix(after_backslash.get(1..=digits)?, 16).ok()?;
    Some((char::from_u32(code)?, 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_breaks_escapes_and_direction_marks_become_plain_ascii() {
        assert_eq!(
            escape("a\r\nb\u{1b}[2Jc\\d\u{202e}e\u{2028}", |_| false),
            "a\\x0d\\x0ab\\x1b[2Jc\\\\d\\u202ee\\u2028"
        );
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(
            escape("日本 Müller, J.", |c| c == '|'),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn text_that_no_escape_made_is_refused() {
        for text in ["\\", "\\x1", "\\q", "\\ud800", "\\xé0"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_string_comes_back(value: String, reserved: char) {
            let escaped = escape(&value, |c| c == reserved && !c.is_ascii_alphanumeric());
            prop_assert_eq!(unescape(&escaped), Some(value));
        }
    }
}
