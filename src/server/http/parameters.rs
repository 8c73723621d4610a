//! Query and form parameters, strictly: a name that comes twice is refused, whichever value meant.

/// Decoded parameters of one query or one form.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

/// More than any request of ours carries.
const LIMIT: usize = 32;

/// The parameters cannot be understood in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl Parameters {
    /// Decodes `application/x-www-form-urlencoded` octets.
    pub fn parse(encoded: &[u8]) -> Result<Self, Ambiguous> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if pairs.len() == LIMIT || pairs.iter().any(|(known, _)| *known == name) {
                return Err(Ambiguous);
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A parameter's value.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Takes a parameter's value out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_a_doubled_parameter_is_refused_even_when_spelled_differently() {
        for doubled in ["a=1&a=1", "a=1&b=2&%61=3", "=x&=y", "a&a="] {
            assert!(Parameters::parse(doubled.as_bytes()).is_err(), "{doubled}");
        }
        let mut parameters = Parameters::parse(b"a=1+2&b=%C3%A4&c").unwrap();
        assert_eq!(parameters.value("a"), Some("1 2"));
        assert_eq!(parameters.value("b"), Some("ä"));
        assert_eq!(parameters.take("c").as_deref(), Some(""));
        assert_eq!(parameters.value("d"), None);
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let many: Vec<String> = (0..=LIMIT).map(|n| format!("p{n}=1")).collect();
        assert!(Parameters::parse(many.join("&").as_bytes()).is_err());
        assert!(Parameters::parse(many[..LIMIT].join("&").as_bytes()).is_ok());
    }
}
