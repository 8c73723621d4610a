//! A file that is made from the code and kept beside it.

use std::fs;
use std::path::Path;

/// The committed file is what the code makes; `VESTIBULE_WRITE_DOCS=1` writes it.
pub(crate) fn assert_committed(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("VESTIBULE_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().expect("a file stands in a folder")).unwrap();
        fs::write(&path, made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "{} differs from what the code makes: run with VESTIBULE_WRITE_DOCS=1",
        path.display()
    );
}
