//! The XML core: one strict reader, one canonical writer.

pub mod reader;
