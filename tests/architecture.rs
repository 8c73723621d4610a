//! The shape of the house: who imports whom, what stays pure, how long a file may grow.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room may import itself and the rooms before it.
const ROOMS: [&str; 11] = [
    "saml",
    "duo",
    "authn",
    "policy",
    "attribute",
    "response",
    "audit",
    "config",
    "server",
    "simulator",
    "cli",
];

/// The first room that may touch the world.
const FIRST_WORLDLY_ROOM: &str = "server";

/// What a pure room never names: async, clocks, randomness, files, sockets, the environment.
const WORLDLY: [&str; 29] = [
    "std::fs",
    "fs::read",
    "fs::write",
    "File::open",
    "File::create",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "tokio::",
    "actix_web::",
    "actix_rt::",
    "reqwest::",
    "redb::",
    "async fn",
    "async move",
    ".await",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    "rand_bytes",
    "getrandom",
    "std::env",
    "std::process",
    "std::thread",
    "tracing_appender",
];

/// Every place that claims a factor was checked.
const ATTESTATIONS: [(&str, &str); 4] = [
    ("src/authn/login/duo_oidc/map.rs", "DuoVerified"),
    // Policy tests rehearse logins; what they make stays in that file.
    ("src/policy/tests/login/world.rs", "PasswordVerified"),
    ("src/server/back_end/password/mod.rs", "PasswordVerified"),
    ("src/server/remembered.rs", "BrowserRemembered"),
];

/// How the name of a security check begins.
const CHECKING: [&str; 4] = ["verify", "accept", "prove", "check"];

/// Where messages of others are checked.
const CHECKERS: [&str; 9] = [
    "src/saml/signature",
    "src/saml/request",
    "src/saml/logout",
    "src/saml/proof",
    "src/saml/artifact",
    "src/saml/ecp",
    "src/duo/claims",
    "src/duo/jwt",
    "src/duo/hmac",
];

const LONGEST_FILE: usize = 600;

/// Words that name a heap, not a thing.
const FORBIDDEN_WORDS: [&str; 4] = ["util", "helper", "manager", "common"];

#[test]
fn a_room_imports_only_rooms_to_its_left() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let Some(room) = source.room() else { continue };
        let place = place_of(&room).unwrap_or_else(|| panic!("{room} is no room of the house"));
        for imported in source.imported_rooms() {
            if place_of(&imported).is_some_and(|other| other > place) {
                wrong.push(format!("{} imports {imported}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_module_leaves_its_room_through_super() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let steps_to_the_root = source.depth();
        let escape = "super::".repeat(steps_to_the_root);
        if source.room().is_some() && source.code.contains(&escape) {
            wrong.push(source.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rooms_left_of_the_server_touch_nothing_of_the_world() {
    let first_worldly = place_of(FIRST_WORLDLY_ROOM).unwrap();
    let mut wrong = Vec::new();
    for source in product_sources() {
        let pure = source
            .room()
            .is_some_and(|room| place_of(&room) < Some(first_worldly));
        for (number, line) in source.code.lines().enumerate().filter(|_| pure) {
            wrong.extend(
                WORLDLY
                    .iter()
                    .filter(|word| names(line, word))
                    .map(|word| format!("{}:{}: {word}", source.name, number + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lib_rs_and_the_readme_list_the_same_rooms_in_the_same_order() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let documented = first_table_column(&lib, "//! | [`", "`]");
    assert_eq!(documented, ROOMS, "the table in src/lib.rs");
    let declared: BTreeSet<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        declared,
        ROOMS.iter().map(|room| (*room).to_owned()).collect(),
        "modules"
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md exists");
    assert_eq!(
        first_table_column(&readme, "| `", "`"),
        ROOMS,
        "the table in README.md"
    );
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let mut wrong = Vec::new();
    for path in ["src", "tests", "benches", "examples"]
        .iter()
        .flat_map(|dir| rust_files(dir))
    {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", relative(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_say_what_things_are() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        for name in source.defined_names() {
            // The last word is the noun: `most_common_cost` is a cost, a `key_manager` is nothing.
            let words = words_of(&name);
            let last = words.last().expect("a name has a word");
            let vague = FORBIDDEN_WORDS
                .iter()
                .any(|bad| last == bad || *last == format!("{bad}s"));
            if vague || name.starts_with("get_") {
                wrong.push(format!("{}: {name}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_listed_places_claim_that_a_factor_was_checked() {
    let mut found = BTreeSet::new();
    for source in product_sources() {
        for line in source.code.lines() {
            if let Some((before, _)) = line.split_once("::attest(") {
                let evidence = before
                    .rsplit(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap();
                found.insert((source.name.clone(), evidence.to_owned()));
            }
        }
    }
    let listed = ATTESTATIONS
        .iter()
        .map(|(file, evidence)| ((*file).to_owned(), (*evidence).to_owned()))
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn s09_no_security_check_answers_with_a_bare_boolean() {
    let mut checks = 0;
    let mut wrong = Vec::new();
    for source in product_sources()
        .iter()
        .filter(|source| source.checks_messages())
    {
        for (name, result) in source.functions() {
            let first = name.split('_').next().unwrap();
            if CHECKING.contains(&first) {
                checks += 1;
                let plain = !result.contains("Result<") && !result.contains("Option<(");
                wrong.extend(plain.then(|| format!("{}: {name} -> {result}", source.name)));
            }
        }
    }
    assert!(checks > 10, "the checks were not found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn s09_no_answer_of_a_security_check_is_thrown_away() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        for statement in source.code.split(';') {
            let checks = CHECKING.iter().any(|word| {
                statement.contains(&format!("::{word}(")) || statement.contains(&format!("{word}_"))
            });
            let dropped = statement.trim_start().starts_with("let _ =")
                || statement.trim_start().starts_with("drop(");
            if checks && dropped {
                wrong.push(format!("{}: {}", source.name, statement.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn s59_regular_expressions_run_in_one_place_in_linear_time_and_bounded_size() {
    const PLACE: &str = "src/attribute/pattern.rs";
    for source in product_sources() {
        let here = source.name == PLACE;
        let uses = ["regex::", "Regex::new"]
            .iter()
            .any(|word| source.code.contains(word));
        assert!(here || !uses, "{}", source.name);
        assert!(!source.code.contains("fancy_regex"), "{}", source.name);
        assert!(
            !here || source.code.contains(".size_limit("),
            "no limit in {PLACE}"
        );
    }
}

#[test]
fn s60_no_endpoint_runs_a_test_of_the_policy() {
    let endpoints = |source: &Source| source.name.starts_with("src/server/http/");
    let sources: Vec<Source> = product_sources().into_iter().filter(endpoints).collect();
    assert!(sources.len() > 5, "the endpoints were not found");
    for source in sources {
        assert!(!source.code.contains("policy::tests"), "{}", source.name);
    }
}

/// One file of `src/`, without its comments and its tests.
struct Source {
    name: String,
    modules: Vec<String>,
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let name = relative(path);
        let modules = name
            .trim_start_matches("src/")
            .trim_end_matches(".rs")
            .trim_end_matches("/mod")
            .split('/')
            .map(str::to_owned)
            .collect();
        let code = code_without_tests(&fs::read_to_string(path).unwrap());
        Self {
            name,
            modules,
            code,
        }
    }

    /// The room it stands in; `lib.rs` and `main.rs` stand in none.
    fn room(&self) -> Option<String> {
        Some(self.modules[0].clone()).filter(|name| name != "lib" && name != "main")
    }

    /// How many `super::` lead from this module to the crate's root.
    fn depth(&self) -> usize {
        self.modules.len()
    }

    fn checks_messages(&self) -> bool {
        CHECKERS.iter().any(|place| self.name.starts_with(place))
    }

    /// Every function's name and what it returns.
    fn functions(&self) -> Vec<(String, String)> {
        let starts = self.code.match_indices("fn ");
        let heads = starts.map(|(at, word)| &self.code[at + word.len()..]);
        heads
            .filter_map(|head| {
                let signature = &head[..head.find(['{', ';'])?];
                let result = signature.rsplit_once("->").map_or("", |(_, result)| result);
                Some((identifier_at(head)?, result.trim().to_owned()))
            })
            .collect()
    }

    fn imported_rooms(&self) -> BTreeSet<String> {
        let mut rooms = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            let rest = &self.code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => rooms.extend(heads_of_group(group)),
                None => rooms.extend(identifier_at(rest)),
            }
        }
        rooms
    }

    fn defined_names(&self) -> Vec<String> {
        const ITEMS: [&str; 8] = [
            "fn ", "struct ", "enum ", "trait ", "mod ", "type ", "const ", "static ",
        ];
        let mut names = self.modules.clone();
        for line in self.code.lines().map(str::trim_start) {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            let item = ITEMS.iter().find_map(|item| line.strip_prefix(item));
            names.extend(item.and_then(identifier_at));
        }
        names
    }
}

/// The first path segment of each entry of `a, b::{c, d}, e}`.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut heads = Vec::new();
    let mut entry_begins = true;
    for (at, character) in group.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => entry_begins = true,
            c if entry_begins && !c.is_whitespace() => {
                heads.extend(identifier_at(&group[at..]));
                entry_begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier_at(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    Some(text[..end].to_owned()).filter(|name| !name.is_empty())
}

/// Whether the line names `word`, not merely a longer word that contains it.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') || word.starts_with('.')
    })
}

/// Tests stand at the foot of a file: what follows the first inline test module is dropped, and
/// comments are blanked so that line numbers stay true.
fn code_without_tests(text: &str) -> String {
    let inline = |foot: &usize| {
        text[*foot..]
            .lines()
            .find(|line| line.contains("mod "))
            .is_some_and(|line| line.ends_with('{'))
    };
    let feet = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    let code = &text[..feet.into_iter().find(inline).unwrap_or(text.len())];
    code.lines()
        .map(|line| match line.find("//") {
            Some(at) if !line[..at].contains('"') => &line[..at],
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character.is_uppercase() {
            words.push(String::new());
        }
        if character != '_' {
            words.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    words
}

fn first_table_column(text: &str, before: &str, after: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| Some(line.strip_prefix(before)?.split_once(after)?.0.to_owned()))
        .filter(|name| ROOMS.contains(&name.as_str()))
        .collect()
}

fn place_of(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

fn product_sources() -> Vec<Source> {
    let files = rust_files("src");
    assert!(files.len() > ROOMS.len(), "src/ was not found");
    let tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|path| test_modules_of(path))
        .collect();
    files
        .iter()
        .filter(|path| !tests.iter().any(|test| is_inside(path, test)))
        .map(|path| Source::read(path))
        .collect()
}

/// The modules a file declares under `#[cfg(test)]`, as paths without `.rs`.
fn test_modules_of(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let directory = if path.ends_with("mod.rs") || path.ends_with("lib.rs") {
        path.parent().unwrap().to_owned()
    } else {
        path.with_extension("")
    };
    let mut modules = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.starts_with("#[cfg(test)]")) {
        let declared = lines.clone().next().and_then(|line| line.strip_suffix(';'));
        let name = declared
            .and_then(|line| line.rsplit_once("mod "))
            .map(|(_, name)| name);
        modules.extend(name.map(|name| directory.join(name)));
    }
    modules
}

fn is_inside(path: &Path, module: &Path) -> bool {
    path.with_extension("") == module || path.starts_with(module)
}

fn rust_files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(directory)];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden && !path.ends_with("node_modules") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .into_owned()
}
