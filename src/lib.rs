//! Vestibule: a SAML 2.0 identity provider whose reason to exist is policy-driven multi-factor
//! login.
//!
//! # The rooms
//!
//! A room imports only rooms above it in this list; `tests/architecture.rs` checks that, and that
//! the README shows the same list. Everything under [`server`] may touch the world; nothing else
//! may: no async, clock, randomness, files or sockets outside it ([`simulator`] and [`cli`] start
//! servers and print).
//!
//! | Room | What lives here |
//! |---|---|
//! | [`saml`] | what a relying party asks, as values; bindings byte for byte; the XML core |
//! | [`duo`] | Duo's protocols as values: JWTs, claims and their verification, request signing |
//! | [`authn`] | how a login is decided: the state machine, flows, transitions, evidence, reuse |
//! | [`policy`] | what the deployer scripted: compile, bound, run, facts, tests |
//! | [`attribute`] | what may be said about the subject, and to whom |
//! | [`response`] | what we send back: the chosen class, Assertion, Response, Refusal |
//! | [`audit`] | what must be remembered: records, fields, formats |
//! | [`config`] | what the operator wrote: raw properties, then checked settings |
//! | [`server`] | the world: HTTP, back ends, storage, logs, reload, clock and randomness |
//! | [`simulator`] | Duo's service and a demo SP |
//! | [`cli`] | one file for each command |

pub mod attribute;
pub mod audit;
pub mod authn;
pub mod cli;
pub mod config;
pub mod duo;
pub mod policy;
pub mod response;
pub mod saml;
pub mod server;
pub mod simulator;
