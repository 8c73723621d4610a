//! Documents that say which test proves what: made from tables here and from the names of the tests
//! that exist, so that they cannot drift. `VESTIBULE_WRITE_DOCS=1 cargo test --test documents`
//! writes them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod attacks;
mod committed;
mod conformance;
mod tests_by_name;

use committed::assert_committed;
use std::collections::BTreeSet;
use tests_by_name::tests_by_name;

#[test]
fn the_document_of_attacks_is_made_from_the_names_of_the_tests() {
    assert_committed("docs/attacks.md", &attacks::document(&tests_by_name()));
}

#[test]
fn every_class_of_attack_has_a_test_or_says_why_not() {
    let tests = tests_by_name();
    let mut wrong = attacks::unknown_classes(&tests);
    for class in attacks::CLASSES {
        let named = class.tests(&tests).len() + class.also.len();
        match (named, class.open) {
            (0, None) => wrong.push(format!("{} has neither a test nor a reason", class.id)),
            _ => wrong.extend(missing(class.id, class.also, &tests)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_document_of_conformance_is_made_from_its_table() {
    assert_committed("docs/conformance.md", &conformance::document());
}

#[test]
fn every_line_of_conformance_names_tests_that_exist_or_gives_a_reason() {
    let tests = tests_by_name();
    let mut wrong = Vec::new();
    for (at, line) in conformance::LINES.iter().enumerate() {
        if line.number != at + 1 {
            wrong.push(format!("line {} stands at {}", line.number, at + 1));
        }
        if line.tests.is_empty() && line.note.is_empty() {
            wrong.push(format!(
                "line {} has neither a test nor a reason",
                line.number
            ));
        }
        wrong.extend(missing(
            &format!("line {}", line.number),
            line.tests,
            &tests,
        ));
    }
    assert_eq!(conformance::LINES.len(), 71);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The named tests that do not exist.
fn missing(place: &str, named: &[&str], tests: &BTreeSet<String>) -> Vec<String> {
    named
        .iter()
        .filter(|name| !tests.contains(**name))
        .map(|name| format!("{place}: there is no test {name}"))
        .collect()
}
