//! The XML core: one strict reader, one canonical writer, and the canonical form between them.

pub mod canonical;
mod characters;
mod escape;
pub mod namespace;
pub mod reader;
#[cfg(test)]
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod second_opinion;
pub mod writer;
