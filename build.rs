//! Lists the files of `conf/` and `scripts/` that `init` writes, so that there is one source.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What a new home gets, by file ending.
const ENDINGS: [&str; 5] = ["properties", "csv", "txt", "rhai", "toml"];

/// Belongs to one home alone.
const NEVER: &str = "conf/authn/htpasswd.txt";

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in ["conf", "scripts"] {
        println!("cargo::rerun-if-changed={folder}");
        collect(&root, Path::new(folder), &mut files);
    }
    files.sort();
    let mut source = String::from("&[\n");
    for file in files {
        let whole = root.join(&file);
        let whole = whole.to_str().expect("source paths are UTF-8");
        let _ = writeln!(source, "({file:?}, include_str!({whole:?})),");
    }
    source.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("home_files.rs"), source).expect("OUT_DIR is writable");
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(folder)).expect("the folder is part of the sources");
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        let name = path.to_str().expect("source paths are UTF-8").to_owned();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if root.join(&path).is_dir() {
            collect(root, &path, files);
        } else if name != NEVER && ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.push(name);
        }
    }
}
