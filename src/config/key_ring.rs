//! The life of our keys: staged, published, switched to, retired (`credentials/keys.toml`).
//!
//! Without the file the properties name the keys. The first `vestibule key stage` writes it, takes
//! over the keys that the properties name, and from then on it alone says which keys there are.
//! Relying parties read our metadata when they please, so each step waits until they can have seen
//! the one before.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// We sign with it.
    Signing,
    /// Others encrypt to it.
    Encryption,
}

impl Purpose {
    /// As it is written in file names and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
        }
    }
}

/// How far a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It is there; nobody knows it.
    Staged,
    /// Its certificate is in our metadata beside the one in use; it does not sign yet, and decrypts
    /// already.
    Published,
    /// It signs; others are told to encrypt to it.
    Active,
    /// Another took its place. A signing key is still published, so that the step can be taken back;
    /// an encryption key is published no more and still decrypts.
    Outgoing,
    /// Moved aside and used for nothing.
    Retired,
}

impl KeyState {
    /// The state in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Published => "published",
            Self::Active => "active",
            Self::Outgoing => "outgoing",
            Self::Retired => "retired",
        }
    }
}

/// A key, where it lies and when it came how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingKey {
    /// Its name, such as `signing-2`.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// How far it has come.
    pub state: KeyState,
    /// Its PEM file, below the home or absolute.
    pub key: String,
    /// Its certificate's.
    pub certificate: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged: Option<Timestamp>,
    /// When its certificate came into our metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// When it became the one in use, or was replaced: the last switch that concerned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switched: Option<Timestamp>,
    /// When it was moved aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
}

/// All keys, those that are used first before the others of their purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRing {
    /// In order of preference.
    #[serde(default, rename = "key")]
    pub keys: Vec<RingKey>,
}

/// A step that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, and what to do instead.
    pub reason: String,
    /// Whether `--force` takes it all the same.
    pub can_be_forced: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// When a step is taken, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Now.
    pub now: Timestamp,
    /// `vestibule.keys.propagation`: how long relying parties take to read our metadata again.
    pub propagation: Duration,
    /// Neither order nor dates stop it.
    pub force: bool,
}

impl RingKey {
    /// What to do with it next, and from when on.
    pub fn next(&self, propagation: Duration) -> Option<(&'static str, Option<Timestamp>)> {
        match self.state {
            KeyState::Staged => Some(("publish", None)),
            KeyState::Published => Some(("switch", self.due(propagation))),
            KeyState::Outgoing => Some(("retire", self.due(propagation))),
            KeyState::Active | KeyState::Retired => None,
        }
    }

    /// When relying parties can be taken to know of the last step; a step without a date was taken
    /// before there were any.
    fn due(&self, propagation: Duration) -> Option<Timestamp> {
        let last = match self.state {
            KeyState::Published => self.published,
            _ => self.switched,
        };
        let wait = SignedDuration::try_from(propagation).unwrap_or(SignedDuration::MAX);
        last.map(|last| last.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// Whether its certificate stands in our metadata.
    pub fn is_published(&self) -> bool {
        match self.state {
            KeyState::Published | KeyState::Active => true,
            // Whoever reads metadata now must not encrypt to a key that goes.
            KeyState::Outgoing => self.purpose == Purpose::Signing,
            KeyState::Staged | KeyState::Retired => false,
        }
    }

    /// Whether it may sign. One that was replaced serves relying parties that verify nothing else.
    pub fn signs(&self) -> bool {
        let known_to_all = matches!(self.state, KeyState::Active | KeyState::Outgoing);
        self.purpose == Purpose::Signing && known_to_all
    }

    /// Whether the server holds it.
    pub fn is_held(&self) -> bool {
        !matches!(self.state, KeyState::Staged | KeyState::Retired)
    }
}

impl KeyRing {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    /// Writes the file.
    pub fn to_toml(&self) -> String {
        let keys = toml::to_string(self).expect("a ring is tables of strings");
        format!(
            "# Written by `vestibule key`, which says what to do next: `vestibule key list`.\n\n{keys}"
        )
    }

    /// Those of a purpose, in order of preference: in use, then to come, then on their way out.
    pub fn of(&self, purpose: Purpose) -> impl Iterator<Item = &RingKey> {
        let mut keys: Vec<&RingKey> = self.keys.iter().filter(|k| k.purpose == purpose).collect();
        keys.sort_by_key(|key| match key.state {
            KeyState::Active => 0,
            KeyState::Published => 1,
            KeyState::Outgoing => 2,
            KeyState::Staged | KeyState::Retired => 3,
        });
        keys.into_iter()
    }

    /// A name that no key of this purpose has or had.
    pub fn fresh_name(&self, purpose: Purpose) -> String {
        let names = (1..).map(|number| format!("{}-{number}", purpose.as_str()));
        let mut free = names.filter(|name| self.keys.iter().all(|key| key.name != *name));
        free.next().expect("there is no end of numbers")
    }

    /// The key of that name; `signing` and `encryption` stand for the only one in that state.
    pub fn named(&self, name: &str, states: &[KeyState]) -> Result<&RingKey, String> {
        if let Some(key) = self.keys.iter().find(|key| key.name == name) {
            return Ok(key);
        }
        let meant: Vec<&RingKey> = self
            .keys
            .iter()
            .filter(|key| key.purpose.as_str() == name && states.contains(&key.state))
            .collect();
        match meant[..] {
            [only] => Ok(only),
            [] => Err(format!(
                "no key {name} that this could be done with; `vestibule key list` names them"
            )),
            _ => Err(format!(
                "several keys could be meant by {name}; `vestibule key list` names them"
            )),
        }
    }

    /// Puts a staged key's certificate into our metadata.
    pub fn publish(&mut self, name: &str, step: &Step) -> Result<(), Refusal> {
        let key = self.key(name)?;
        if key.state != KeyState::Staged {
            return Err(never(format!("{name} is {} already", key.state.as_str())));
        }
        key.state = KeyState::Published;
        key.published = Some(step.now);
        Ok(())
    }

    /// Makes a published key the one in use; those in use till now go out, unless it is to serve
    /// `beside` them.
    pub fn switch(&mut self, name: &str, beside: bool, step: &Step) -> Result<(), Refusal> {
        let key = self.key(name)?;
        match key.state {
            KeyState::Active => return Err(never(format!("{name} is in use already"))),
            KeyState::Retired => return Err(never(format!("{name} is retired: stage a new key"))),
            KeyState::Staged if !step.force => {
                return Err(not_yet(format!(
                    "nobody knows {name} yet: publish it first"
                )));
            }
            KeyState::Published => step.wait_for(key, "switch to it")?,
            // Everybody knows the one that was in use before.
            KeyState::Staged | KeyState::Outgoing => {}
        }
        key.published = key.published.or(Some(step.now));
        let purpose = key.purpose;
        if !beside {
            let in_use = self.keys.iter_mut().filter(|key| key.purpose == purpose);
            for before in in_use.filter(|key| key.state == KeyState::Active) {
                before.state = KeyState::Outgoing;
                before.switched = Some(step.now);
            }
        }
        let at = self.keys.iter().position(|key| key.name == name);
        let mut key = self.keys.remove(at.expect("it was found above"));
        key.state = KeyState::Active;
        key.switched = Some(step.now);
        let place = if beside { self.keys.len() } else { 0 };
        self.keys.insert(place, key);
        Ok(())
    }

    /// Takes a key out; the caller moves its files to `key` and `certificate`.
    pub fn retire(
        &mut self,
        name: &str,
        files: (String, String),
        step: &Step,
    ) -> Result<(), Refusal> {
        let purpose = self.key(name)?.purpose;
        let mut others = self
            .keys
            .iter()
            .filter(|key| key.purpose == purpose && key.name != name);
        let served = others.any(|key| key.state == KeyState::Active);
        let key = self.key(name)?;
        match key.state {
            KeyState::Retired => return Err(never(format!("{name} is retired already"))),
            KeyState::Active if !served => {
                return Err(never(format!(
                    "{name} is the only one in use: switch to another first"
                )));
            }
            KeyState::Active | KeyState::Published if !step.force => {
                return Err(not_yet(format!(
                    "relying parties may rely on {name}: switch to another key and wait"
                )));
            }
            KeyState::Outgoing => step.wait_for(key, "retire it")?,
            KeyState::Staged | KeyState::Active | KeyState::Published => {}
        }
        key.state = KeyState::Retired;
        key.retired = Some(step.now);
        (key.key, key.certificate) = files;
        Ok(())
    }

    fn key(&mut self, name: &str) -> Result<&mut RingKey, Refusal> {
        let found = self.keys.iter_mut().find(|key| key.name == name);
        found.ok_or_else(|| never(format!("there is no key {name}")))
    }
}

impl Step {
    fn wait_for(&self, key: &RingKey, what: &str) -> Result<(), Refusal> {
        match key
            .due(self.propagation)
            .filter(|due| !self.force && self.now < *due)
        {
            None => Ok(()),
            Some(due) => Err(not_yet(format!(
                "relying parties may not have read our metadata since {} was {}: {what} from {due} on",
                key.name,
                key.state.as_str(),
            ))),
        }
    }
}

fn never(reason: String) -> Refusal {
    Refusal {
        reason,
        can_be_forced: false,
    }
}

fn not_yet(reason: String) -> Refusal {
    Refusal {
        reason,
        can_be_forced: true,
    }
}

#[cfg(test)]
mod tests;
