//! Files that belong to the server's user alone, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Runs `change` while no other command of ours changes a file of this folder, and makes it durable.
pub(super) fn alone_in<T>(
    folder: &Path,
    change: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let changed = change()?;
    lock.sync_all().map_err(failed)?;
    Ok(changed)
}

/// A new file beside the old one takes its name once it is on disk.
pub(super) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    create(&temporary, contents)?;
    fs::rename(&temporary, path)
}

/// Writes a file that is not there yet.
pub(super) fn create(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}
