//! A format: `%label` fields between literal text, written as a line and read back from one.
//!
//! A label ends at white space or punctuation; `%%` is a percent sign (Shibboleth's syntax).

use crate::audit::escape::{escape, unescape};
use crate::audit::label::{Arity, Label};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A parsed format: fields and literal text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
    /// First characters of literals: no value may contain them unescaped.
    reserved: Vec<char>,
}

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Label),
}

/// The fields of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a>(Vec<(Label, Value<'a>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Fields<'a> {
    /// Sets a field to one value; an empty value leaves the field empty.
    pub fn set(&mut self, label: Label, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((label, Value::One(value)));
        }
    }

    /// Sets a field to a value, if there is one.
    pub fn set_some(&mut self, label: Label, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.set(label, value);
        }
    }

    /// Sets a field to a list of values.
    pub fn set_all<V: Into<Cow<'a, str>>>(
        &mut self,
        label: Label,
        values: impl IntoIterator<Item = V>,
    ) {
        let values = values.into_iter().map(Into::into).collect();
        self.0.push((label, Value::Many(values)));
    }

    fn of(&self, label: Label) -> Option<&Value<'a>> {
        // The last one set wins.
        let found = self.0.iter().rev().find(|(known, _)| *known == label);
        found.map(|(_, value)| value)
    }
}

/// Values read back from a line, by label; empty fields are absent.
pub type ParsedLine = BTreeMap<Label, Vec<String>>;

impl Format {
    /// Parses a format; an unknown label is an error that names it.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.contains('\\') || text.chars().any(char::is_control) {
            return Err(FormatError::ReservedCharacter);
        }
        let mut format = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            format.push_text(&rest[..at])?;
            rest = format.push_field(&rest[at + 1..])?;
        }
        format.push_text(rest)?;
        format.note_reserved();
        Ok(format)
    }

    /// One line without its newline; every value escaped.
    pub fn line(&self, fields: &Fields<'_>) -> String {
        let mut line = String::with_capacity(512);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field(label) => self.push_value(&mut line, *label, fields.of(*label)),
            }
        }
        line
    }

    /// The fields of a line that [`Self::line`] wrote; `None` when the line is not of this format.
    pub fn read(&self, line: &str) -> Option<ParsedLine> {
        let mut fields = ParsedLine::new();
        let mut rest = line;
        for (index, piece) in self.pieces.iter().enumerate() {
            rest = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str())?,
                Piece::Field(label) => {
                    let end = self.field_end(index, rest)?;
                    read_value(&mut fields, *label, &rest[..end])?;
                    &rest[end..]
                }
            };
        }
        rest.is_empty().then_some(fields)
    }

    /// Labels in this format that nothing ever fills, for a warning.
    pub fn unfilled(&self) -> impl Iterator<Item = Label> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(label) if !label.is_filled() => Some(*label),
            _ => None,
        })
    }

    fn push_text(&mut self, text: &str) -> Result<(), FormatError> {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            // The comma already parts the values of a list.
            Some(Piece::Field(label)) if label.arity() == Arity::Many && text.starts_with(',') => {
                return Err(FormatError::CommaAfterList(*label));
            }
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
        Ok(())
    }

    /// Takes what follows a percent sign; returns what follows the field.
    fn push_field<'t>(&mut self, after: &'t str) -> Result<&'t str, FormatError> {
        if let Some(rest) = after.strip_prefix('%') {
            self.push_text("%")?;
            return Ok(rest);
        }
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(after.len());
        let name = &after[..end];
        let label = name
            .parse()
            .map_err(|_| FormatError::UnknownLabel(name.to_owned()))?;
        // Two fields side by side could not be told apart again.
        if matches!(self.pieces.last(), Some(Piece::Field(_))) {
            return Err(FormatError::NoSeparator(name.to_owned()));
        }
        self.pieces.push(Piece::Field(label));
        Ok(&after[end..])
    }

    fn note_reserved(&mut self) {
        let firsts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => text.chars().next(),
            Piece::Field(_) => None,
        });
        self.reserved = firsts.filter(|c| !c.is_ascii_alphanumeric()).collect();
        self.reserved.sort_unstable();
        self.reserved.dedup();
    }

    fn push_value(&self, line: &mut String, label: Label, value: Option<&Value<'_>>) {
        match value {
            None => {}
            Some(Value::One(value)) => line.push_str(&self.escaped(label, value)),
            Some(Value::Many(values)) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        line.push(',');
                    }
                    line.push_str(&self.escaped(label, value));
                }
            }
        }
    }

    fn escaped<'v>(&self, label: Label, value: &'v str) -> Cow<'v, str> {
        let list = label.arity() == Arity::Many;
        escape(value, |c| {
            (list && c == ',') || (c == '|') || self.reserved.contains(&c)
        })
    }

    /// Where the field at `index` ends: before the next literal, or at the end of the line.
    fn field_end(&self, index: usize, rest: &str) -> Option<usize> {
        match self.pieces.get(index + 1) {
            Some(Piece::Text(text)) => rest.find(text.chars().next()?),
            _ => Some(rest.len()),
        }
    }
}

fn read_value(fields: &mut ParsedLine, label: Label, text: &str) -> Option<()> {
    if text.is_empty() {
        return Some(());
    }
    let values = match label.arity() {
        Arity::One => vec![unescape(text)?],
        Arity::Many => text.split(',').map(unescape).collect::<Option<_>>()?,
    };
    fields.insert(label, values);
    Some(())
}

/// Why a format was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The label is not known.
    UnknownLabel(String),
    /// This field follows another without anything between.
    NoSeparator(String),
    /// A comma follows a field that joins its values by commas.
    CommaAfterList(Label),
    /// A backslash or control character, which values use for their escapes.
    ReservedCharacter,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLabel(name) => write!(f, "unknown field %{name}"),
            Self::NoSeparator(name) => write!(f, "nothing separates %{name} from the field before"),
            Self::CommaAfterList(label) => write!(f, "a comma follows the list %{label}"),
            Self::ReservedCharacter => f.write_str("a backslash or control character"),
        }
    }
}

impl std::error::Error for FormatError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(text: &str) -> Format {
        Format::parse(text).unwrap()
    }

    #[test]
    fn a_label_ends_at_punctuation_and_two_percent_signs_are_one() {
        let mut fields = Fields::default();
        fields.set(Label::Username, "jdoe");
        fields.set(Label::ClientAddress, "::1");
        let line = format("100%% [%u] %a!").line(&fields);
        assert_eq!(line, "100% [jdoe] ::1!");
    }

    #[test]
    fn an_unknown_label_is_named() {
        assert_eq!(
            Format::parse("%a|%Nope|%T"),
            Err(FormatError::UnknownLabel("Nope".to_owned()))
        );
        assert_eq!(
            Format::parse("%a|%"),
            Err(FormatError::UnknownLabel(String::new()))
        );
    }

    #[test]
    fn formats_whose_lines_could_not_be_read_back_are_refused() {
        assert_eq!(
            Format::parse("%a%u"),
            Err(FormatError::NoSeparator("u".to_owned()))
        );
        assert_eq!(Format::parse("%a\\%u"), Err(FormatError::ReservedCharacter));
    }

    #[test]
    fn unknown_values_are_empty_and_lists_are_joined_by_commas() {
        let mut fields = Fields::default();
        fields.set_all(Label::AttributeIds, ["mail", "uid", "a,b"]);
        fields.set(Label::UserAgent, "X (KHTML, like Gecko)");
        let line = format("%a|%attr|%UA|").line(&fields);
        assert_eq!(line, "|mail,uid,a\\x2cb|X (KHTML, like Gecko)|");
    }

    #[test]
    fn a_line_of_another_format_is_not_read() {
        assert_eq!(format("%a|%u").read("only one"), None);
        assert_eq!(format("[%a]").read("[1] trailing"), None);
    }

    #[test]
    fn labels_that_stay_empty_are_told() {
        let unfilled: Vec<_> = format("%a|%uu|%HASHEDs").unfilled().collect();
        assert_eq!(unfilled, [Label::Impersonator, Label::HashedSession]);
    }

    proptest! {
        #[test]
        fn s61_a_line_with_hostile_values_reads_back(
            user: String, agent in "[ -~\r\n\t|\\\\,%\u{1b}\u{2028}]*", ids in prop::collection::vec("\\PC+|[,|\\\\\n]+", 0..5),
        ) {
            for text in ["%a|%u|%attr|%UA", "%a %u [%attr] - %UA", "%a|%u||%attr;, %UA#"] {
                let format = format(text);
                let mut fields = Fields::default();
                fields.set(Label::ClientAddress, "2001:db8::1");
                fields.set(Label::Username, user.as_str());
                fields.set_all(Label::AttributeIds, ids.iter().map(String::as_str));
                fields.set(Label::UserAgent, agent.as_str());
                let line = format.line(&fields);
                let breaks = |c: char| c.is_control() || c == '\u{2028}';
                prop_assert!(!line.contains(breaks), "a line break got through");
                let read = format.read(&line).unwrap();
                let one = |value: &str| (!value.is_empty()).then(|| vec![value.to_owned()]);
                prop_assert_eq!(read.get(&Label::Username).cloned(), one(&user));
                prop_assert_eq!(read.get(&Label::UserAgent).cloned(), one(&agent));
                let listed = (!ids.is_empty()).then(|| ids.clone());
                prop_assert_eq!(read.get(&Label::AttributeIds).cloned(), listed);
            }
        }
    }
}
