//! Which characters XML 1.0 allows, where, and what a reference stands for.

use super::reader::{XmlError, refused};

/// Whether every character is a `Char` (XML 1.0 2.2).
pub(super) fn all_allowed(text: &str) -> bool {
    // Rust's `str` has no surrogates, so three ranges remain.
    let control = |octet: u8| octet < 0x20 && !matches!(octet, b'\t' | b'\n' | b'\r');
    !any_octet(text, control) && !text.contains('\u{FFFE}') && !text.contains('\u{FFFF}')
}

/// Whether any octet is such a one. Looking at whole blocks before deciding lets the compiler take
/// many octets at once, which counts in a document of a hundred megabytes.
pub(super) fn any_octet(text: &str, is_such: impl Fn(u8) -> bool) -> bool {
    let mut blocks = text.as_bytes().chunks(256);
    blocks.any(|block| {
        block
            .iter()
            .fold(false, |found, octet| found | is_such(*octet))
    })
}

/// Whether a character is a `Char` (XML 1.0 2.2).
pub(super) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The character that `&reference;` stands for: a character reference (XML 1.0 4.1) or one of the
/// five predefined entities (4.6). No document can define another.
pub(super) fn resolve_reference(reference: &str) -> Result<char, XmlError> {
    if let Some(number) = reference.strip_prefix('#') {
        return resolve_number(number);
    }
    match reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => refused("unknown entity"),
    }
}

fn resolve_number(number: &str) -> Result<char, XmlError> {
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let plain = digits.chars().all(|digit| digit.is_digit(radix));
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| plain);
    match code.and_then(char::from_u32).filter(|c| is_allowed(*c)) {
        Some(character) => Ok(character),
        None => refused("character reference to no XML character"),
    }
}

/// Whether the text is an `NCName` (Namespaces in XML 3): a `Name` without colon.
pub(super) fn is_nc_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(starts_name) && characters.all(continues_name)
}

fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(character: char) -> bool {
    starts_name(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
