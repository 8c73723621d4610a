//! The fuzz targets over their kept corpus and a fixed number of its mutations: the same octets on
//! every run, so a failure can be had again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Mutations of each seed.
const MUTATIONS: u64 = 300;
/// No mutation grows beyond this.
const LONGEST: usize = 64 * 1024;
/// What documents, queries and headers break on.
const TOKENS: [&str; 20] = [
    "<",
    ">",
    "/>",
    "&amp;",
    "&#x0;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<!DOCTYPE a [",
    "xmlns:a=\"\"",
    "ID=\"_1\"",
    "%00",
    "%",
    "&",
    "=",
    "\u{feff}",
    "\\u",
    "\\\n",
    "\u{ffff}",
    "<?x?>",
];

/// A small generator: the numbers only have to differ.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides.max(1)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(corpus.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn mutate(octets: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.roll(octets.len() + 1);
    let end = (at + dice.roll(64)).min(octets.len());
    match dice.roll(6) {
        0 if at < octets.len() => octets[at] ^= 1 << dice.roll(8),
        1 => drop(octets.drain(at..end)),
        2 => drop(octets.splice(at..at, TOKENS[dice.roll(TOKENS.len())].bytes())),
        3 => {
            let again = octets[at..end].to_vec();
            octets.splice(at..at, again);
        }
        4 => {
            let from = dice.roll(other.len() + 1);
            let to = (from + dice.roll(256)).min(other.len());
            octets.splice(at..end, other[from..to].iter().copied());
        }
        _ => octets.truncate(at),
    }
    octets.truncate(LONGEST);
}

/// Runs a target over its seeds as they are, then over chains of mutations of each.
fn bombard(name: &str, target: fn(&[u8])) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "fuzz/corpus/{name} has no seeds");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        target(seed);
        for _ in 0..MUTATIONS {
            let mut octets = seed.clone();
            for _ in 0..=dice.roll(4) {
                let other = &seeds[dice.roll(seeds.len())];
                mutate(&mut octets, other, &mut dice);
            }
            target(&octets);
        }
    }
}

#[test]
fn mutated_queries_and_forms_are_decoded_within_the_cap_or_refused() {
    bombard("redirect", targets::redirect);
}

#[test]
fn mutated_documents_read_the_same_twice_and_forge_no_signature() {
    bombard("xml", targets::xml);
}

#[test]
fn mutated_requests_are_answered_at_addresses_of_metadata_alone() {
    bombard("request", targets::request);
}

#[test]
fn mutated_metadata_keeps_only_entities_that_can_be_answered() {
    bombard("metadata", targets::metadata);
}

#[test]
fn mutated_envelopes_are_read_or_refused() {
    bombard("soap", targets::soap);
}

#[test]
fn mutated_properties_and_scripts_are_kept_or_reported() {
    bombard("properties", targets::properties);
}
