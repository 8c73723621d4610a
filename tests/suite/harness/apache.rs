//! An Apache of the suite's own, for service providers that are modules of it.

use super::idp::Deployment;
use super::process::{Process, program};
use super::root;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const MODULES: [&str; 2] = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"];

/// Two pages, our metadata, and the files of a folder of tests/sp with these values filled in.
pub(crate) fn lay_out(
    directory: &Path,
    deployment: &Deployment,
    templates: &str,
    values: &[(&str, &str)],
) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["run", "log", "www/secure"] {
        fs::create_dir_all(directory.join(name)).unwrap();
        // Apache's children may be another user.
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::write(directory.join("www/index.html"), "open to everybody").unwrap();
    fs::write(directory.join("www/secure/index.html"), "open to sessions").unwrap();
    let metadata = directory.join("idp-metadata.xml");
    fs::copy(deployment.metadata_file(), metadata).unwrap();
    let (user, group) = if id("-u") == "0" {
        ("www-data".to_owned(), "www-data".to_owned())
    } else {
        (id("-un"), id("-gn"))
    };
    let modules = MODULES.iter().find(|modules| Path::new(modules).exists());
    let home = directory.to_string_lossy();
    let common = [
        ("@HOME@", &*home),
        ("@USER@", &user),
        ("@GROUP@", &group),
        (
            "@MODULES@",
            modules.expect("Apache is installed; run scripts/setup test"),
        ),
    ];
    for entry in fs::read_dir(root().join("tests/sp").join(templates)).unwrap() {
        let template = entry.unwrap().path();
        let mut text = fs::read_to_string(&template).unwrap();
        for (name, value) in common.iter().chain(values) {
            text = text.replace(name, value);
        }
        fs::write(directory.join(template.file_name().unwrap()), text).unwrap();
    }
}

/// Starts it with the `apache2.conf` that lies there.
pub(crate) fn start(directory: &Path) -> Process {
    let mut command = Command::new(program(&["apache2", "httpd"]));
    command
        .arg("-f")
        .arg(directory.join("apache2.conf"))
        .arg("-DFOREGROUND");
    Process::start("apache2", directory, &mut command).ends_gently()
}

fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
