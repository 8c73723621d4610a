//! The other sides of a login, for demonstrations, drills and tests.
//!
//! Owns: Duo's service as its official clients see it ([`duo`]). Does not own: anything that a
//! production login runs through.

pub mod duo;

pub use duo::{Application, ApplicationKind, Options, Running, Simulator};
