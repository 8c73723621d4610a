//! Child processes that end with the test that started them.

use super::{root, wait_for};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running program whose output goes to a file.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    gentle: bool,
}

impl Process {
    /// Starts `command`; what it prints goes to `directory/NAME.out`.
    pub(crate) fn start(name: &'static str, directory: &Path, command: &mut Command) -> Self {
        let log = directory.join(format!("{name}.out"));
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start ({error}); run scripts/setup test")
            });
        Self {
            name,
            child,
            log,
            gentle: false,
        }
    }

    /// Ends with SIGTERM: for a program with children of its own.
    pub(crate) fn ends_gently(mut self) -> Self {
        self.gentle = true;
        self
    }

    /// Waits until `ready` gives a value, while the program lives.
    pub(crate) fn wait_until<T>(&mut self, mut ready: impl FnMut(&str) -> Option<T>) -> T {
        let what = self.name;
        wait_for(what, || {
            let printed = self.printed();
            let value = ready(&printed);
            if value.is_none()
                && let Some(status) = self.child.try_wait().unwrap()
            {
                panic!("{what} ended with {status}:\n{printed}");
            }
            value
        })
    }

    /// All it printed so far.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is, by the first of its names that is found: installed by scripts/setup for the
/// suite alone, on the PATH, or where daemons live.
pub(crate) fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = vec![root().join("tests/.cache/node/bin")];
    places.extend(std::env::split_paths(&path));
    places.extend(["/usr/sbin", "/usr/local/sbin", "/snap/bin"].map(PathBuf::from));
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{names:?} is not installed; run scripts/setup test"))
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.gentle {
            let pid = self.child.id().to_string();
            let _ = Command::new("kill").arg("-TERM").arg(pid).status();
            let _ = self.child.wait();
        } else {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- {} printed:\n{}", self.name, self.printed());
        }
    }
}
