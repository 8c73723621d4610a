//! The other sides of a login, for demonstrations, drills and tests.
//!
//! Owns: Duo's service as its official clients see it ([`duo`]), and three small service providers
//! ([`demo_sp`]). Does not own: anything that a production login runs through.

pub mod demo_sp;
pub mod duo;

pub use duo::{Application, ApplicationKind, Options, Running, Simulator};
