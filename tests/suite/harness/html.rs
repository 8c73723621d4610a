//! Just enough HTML: the forms of a page and their fields.

use url::Url;

/// One form of a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) method: String,
    pub(crate) fields: Vec<(String, String)>,
    /// Buttons in their order: name (perhaps empty) and value.
    pub(crate) buttons: Vec<(String, String)>,
}

impl Form {
    /// All forms of the page.
    pub(crate) fn all(page: &str) -> Vec<Self> {
        let mut forms: Vec<Self> = Vec::new();
        let mut open = false;
        for tag in tags(page) {
            match tag.name.as_str() {
                "form" => {
                    forms.push(Self::begin(&tag));
                    open = true;
                }
                "/form" => open = false,
                "input" | "button" if open => forms.last_mut().unwrap().add(&tag),
                _ => {}
            }
        }
        forms
    }

    fn begin(tag: &Tag) -> Self {
        Self {
            action: tag.attribute("action").unwrap_or_default(),
            method: tag.attribute("method").unwrap_or_default().to_uppercase(),
            fields: Vec::new(),
            buttons: Vec::new(),
        }
    }

    fn add(&mut self, tag: &Tag) {
        let name = tag.attribute("name").unwrap_or_default();
        let value = tag.attribute("value").unwrap_or_default();
        let kind = tag.attribute("type").unwrap_or_default();
        match kind.as_str() {
            "checkbox" | "radio" if tag.attribute("checked").is_none() => {}
            "submit" => self.buttons.push((name, value)),
            _ if tag.name == "button" => self.buttons.push((name, value)),
            _ if !name.is_empty() => self.fields.push((name, value)),
            _ => {}
        }
    }

    /// Whether it has a field of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(own, _)| own == name)
    }

    /// The value of a field.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Types into a field.
    pub(crate) fn fill(mut self, name: &str, text: &str) -> Self {
        let field = self.fields.iter_mut().find(|(own, _)| own == name);
        text.clone_into(
            &mut field
                .unwrap_or_else(|| panic!("the form has no field {name}"))
                .1,
        );
        self
    }

    /// What is sent when its first button is pressed.
    pub(crate) fn pressed(&self) -> Vec<(String, String)> {
        let button = self.buttons.first().filter(|(name, _)| !name.is_empty());
        self.fields.iter().chain(button).cloned().collect()
    }

    /// Where it is sent, seen from the page it stands on.
    pub(crate) fn target(&self, page: &Url) -> Url {
        if self.action.is_empty() {
            page.clone()
        } else {
            page.join(&self.action).unwrap()
        }
    }
}

/// One start or end tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute, unescaped; empty when it has none.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| unescape(value))
    }
}

/// All tags of a page, in order.
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let end = tag_end(rest);
        found.extend(parse_tag(&rest[..end]));
        rest = &rest[end..];
    }
    found
}

/// The `>` that ends the tag, not one inside a quoted value.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn parse_tag(text: &str) -> Option<Tag> {
    let text = text.trim().trim_end_matches('/');
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let name = text[..end].to_lowercase();
    let mut attributes = Vec::new();
    let mut rest = text[end..].trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let key = rest[..end].to_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = attribute_value(after.trim_start());
        }
        attributes.push((key, value.to_owned()));
        rest = rest.trim_start();
    }
    Some(Tag { name, attributes }).filter(|tag| !tag.name.is_empty())
}

fn attribute_value(text: &str) -> (&str, &str) {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].split_once(quote).unwrap_or((&text[1..], "")),
        _ => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
    }
}

/// Character references, named and numeric, as far as pages here use them.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, tail) = after.split_once(';').unwrap_or((after, ""));
        if let Some(character) = reference(name) {
            out.push(character);
            rest = tail;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out + rest
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
