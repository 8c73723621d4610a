//! `vestibule metadata`: prints the identity provider's own metadata.

use crate::cli::{Context, say};
use std::process::ExitCode;

/// Nothing to say.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the document that `/shibboleth` serves.
pub fn run(context: &Context, _args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let xml = settings.own_metadata().to_xml();
    if context.json {
        let value = serde_json::json!({"entity_id": settings.entity_id, "metadata": xml});
        say(&value.to_string());
    } else {
        say(xml.trim_end());
    }
    ExitCode::SUCCESS
}
