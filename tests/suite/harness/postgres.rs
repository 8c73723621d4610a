//! A private PostgreSQL on loopback, with a certificate authority of its own.

use super::authority;
use super::port;
use super::process::Process;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The password of the role that the IdP uses.
pub(crate) const PASSWORD: &str = "reader's password";

/// A PostgreSQL server with one database.
pub(crate) struct Postgres {
    directory: PathBuf,
    programs: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// A server for `localhost` with what this SQL makes. The role `vestibule` is the IdP's.
    pub(crate) fn start(directory: &Path, sql: &str) -> Self {
        let directory = directory.join("postgres");
        fs::create_dir_all(&directory).unwrap();
        authority::write(&directory, "server");
        let mut postgres = Self {
            programs: programs(),
            port: port::free(),
            process: None,
            directory,
        };
        postgres.prepare();
        postgres.serve();
        postgres.run(&format!(
            "CREATE ROLE vestibule LOGIN PASSWORD '{}';",
            PASSWORD.replace('\'', "''")
        ));
        postgres.run(sql);
        postgres
    }

    fn prepare(&self) {
        // PostgreSQL refuses to run as root; whoever it runs as owns its files.
        if is_root() {
            let own = Command::new("chown")
                .arg("-R")
                .arg("nobody")
                .arg(&self.directory)
                .status();
            assert!(own.unwrap().success());
            // The server looks through every folder on the way down.
            for folder in self.directory.ancestors().skip(1).take_while(|path| {
                path.starts_with(std::env::temp_dir()) && *path != std::env::temp_dir()
            }) {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
            }
        }
        let data = self.directory.join("data");
        let made = self
            .program("initdb")
            .args([
                "--username=owner",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// Starts the server, until it answers.
    pub(crate) fn serve(&mut self) {
        let here = self.directory.display();
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.directory.join("data"));
        for setting in [
            "listen_addresses=localhost".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={here}"),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={here}/server.crt"),
            format!("ssl_key_file={here}/server.key"),
            "fsync=off".to_owned(),
            "max_connections=20".to_owned(),
            "shared_buffers=8MB".to_owned(),
        ] {
            command.args(["-c", &setting]);
        }
        let log = self.directory.parent().unwrap();
        let mut process = Process::start("postgres", log, &mut command);
        process.wait_until(|_| {
            self.psql("SELECT 1")
                .output()
                .ok()
                .filter(|output| output.status.success())
        });
        self.process = Some(process);
    }

    /// Ends it at once, whoever is connected.
    pub(crate) fn stop(&mut self) {
        let data = self.directory.join("data");
        let mut command = self.program("pg_ctl");
        command
            .arg("stop")
            .arg("-D")
            .arg(data)
            .args(["-m", "immediate", "-s"]);
        assert!(command.status().unwrap().success());
        self.process = None;
    }

    /// Runs SQL as the owner and returns the rows, a line each.
    pub(crate) fn run(&self, sql: &str) -> String {
        let output = self.psql(sql).output().unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = self.program("psql");
        command
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
            ])
            .args([
                "--username=owner",
                "--dbname=postgres",
                "--port",
                &self.port.to_string(),
            ])
            .arg("--host")
            .arg(&self.directory)
            .args(["--command", sql])
            .stdin(Stdio::null());
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.directory);
        if is_root() {
            let id = |flag: &str| {
                let output = Command::new("id").args([flag, "nobody"]).output().unwrap();
                String::from_utf8(output.stdout)
                    .unwrap()
                    .trim()
                    .parse()
                    .unwrap()
            };
            command.uid(id("-u")).gid(id("-g"));
        }
        command
    }

    /// Its address under a host name, for the IdP's role.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("postgres://vestibule@{host}:{}/postgres", self.port)
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

/// Debian keeps the server's programs apart by version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    let newest = found
        .into_iter()
        .rev()
        .find(|path| path.join("postgres").is_file());
    newest.unwrap_or_else(|| panic!("PostgreSQL is not installed; run scripts/setup test"))
}
