//! `vestibule.duo.remember.*`: whether, where and for how long browsers are remembered.

use super::flows;
use crate::authn::descriptor::Condition;
use crate::authn::remembered::{Offer, RememberRules};
use crate::config::reader::Reader;
use crate::config::value;
use openssl::sha::Sha256;
use std::fmt::Write as _;

pub(super) fn rules(reader: &mut Reader<'_>) -> Option<RememberRules> {
    let lifetime = reader.parsed("vestibule.duo.remember.lifetime", value::duration);
    let condition = flows::condition(reader, "vestibule.duo.remember.condition");
    let integrations = reader.list("vestibule.duo.remember.integrations");
    let principals = reader.principals("vestibule.duo.remember.principals");
    let offer = reader.choice("vestibule.duo.remember.offer");
    let counter = reader.text("vestibule.duo.remember.generation");
    let mut rules = RememberRules {
        lifetime: lifetime?,
        condition: condition?,
        integrations,
        principals,
        offer: match offer?.as_str() {
            "always" => Offer::Always,
            _ => Offer::Ask,
        },
        generation: String::new(),
    };
    rules.generation = generation(reader, &rules, &counter?);
    Some(rules)
}

/// What was remembered under other rules, another script among them, is void (attack S49).
fn generation(reader: &Reader<'_>, rules: &RememberRules, counter: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{counter}\n{rules:?}\n").as_bytes());
    if let Condition::Script(script) = &rules.condition
        && let Some(source) = reader.raw.file(&format!("scripts/{script}.rhai"))
    {
        hasher.update(source);
    }
    let octets = hasher.finish();
    octets[..16].iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
