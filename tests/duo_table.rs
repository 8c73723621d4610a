//! `docs/duo.md` promises nothing that no test keeps.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The tables and how many rows each has.
const TABLES: [(&str, usize); 5] = [
    ("## D.1 ", 15),
    ("## D.2 ", 10),
    ("## D.3 ", 11),
    ("## D.4 ", 12),
    ("## D.5 ", 28),
];

fn table() -> String {
    fs::read_to_string(root().join("docs/duo.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The last cells of a table's rows, in order.
fn proofs(document: &str, heading: &str) -> Vec<String> {
    let (_, rest) = document.split_once(heading).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let numbered = rows.filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        cells[0].parse::<usize>().ok()?;
        assert_eq!(cells.len(), 4, "{line}");
        Some(cells[3].to_owned())
    });
    numbered.collect()
}

#[test]
fn every_row_is_there_and_has_a_test_a_reason_or_an_admission() {
    let document = table();
    for (heading, rows) in TABLES {
        let proofs = proofs(&document, heading);
        assert_eq!(proofs.len(), rows, "{heading}");
        for proof in proofs {
            let known = proof.starts_with('`') || proof == "reason" || proof == "not yet";
            assert!(known, "{heading}: {proof}");
        }
    }
}

#[test]
fn every_test_that_a_row_names_exists() {
    let sources: String = [root().join("src"), root().join("tests")]
        .iter()
        .flat_map(|folder| sources_below(folder))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let document = table();
    let proofs = TABLES
        .iter()
        .flat_map(|(heading, _)| proofs(&document, heading));
    let named: BTreeSet<String> = proofs
        .flat_map(|proof| {
            let parts = proof.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !sources.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

fn sources_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "node_modules" {
            found.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
