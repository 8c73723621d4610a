//! The table of keys as documentation: docs/configuration.md and the commented files of conf/.
