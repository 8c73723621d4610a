//! What the operator wrote: raw properties, then checked, immutable settings.
//!
//! Owns: the properties syntax, placeholders, the one table of keys (which is also the
//! documentation), and every check that can be made without a login. Pure: `server::load` reads
//! the files into [`raw::Raw`], [`check`] turns that into [`settings::Settings`] or reports every
//! error at once.

pub mod error;
pub mod raw;
pub mod settings;

use error::ConfigError;
use raw::Raw;
use settings::Settings;

/// Checks everything. Warnings come beside the settings; errors come all at once.
pub fn check(_raw: &Raw) -> Result<(Settings, Vec<ConfigError>), Vec<ConfigError>> {
    todo!()
}
