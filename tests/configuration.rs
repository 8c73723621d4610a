//! The files that are made from the table of keys are the committed ones.
//! `VESTIBULE_WRITE_DOCS=1 cargo test --test configuration` writes them.

use std::fs;
use std::path::Path;
use vestibule::config::keys::{document, groups};

/// Written by hand: its lines are a policy, not a list of keys.
const BY_HAND: &str = "conf/authn/mfa.properties";

fn assert_committed(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("VESTIBULE_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "{} differs from the table of keys: run with VESTIBULE_WRITE_DOCS=1",
        path.display()
    );
}

#[test]
fn the_configuration_reference_is_made_from_the_table_of_keys() {
    assert_committed("docs/configuration.md", &document::reference());
}

#[test]
fn the_commented_files_are_made_from_the_table_of_keys() {
    for group in groups().iter().filter(|group| group.file != BY_HAND) {
        assert_committed(group.file, &document::conf_file(group));
    }
}
