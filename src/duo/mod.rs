//! Duo's protocols as values: what to send, what an answer must hold. No HTTP, no clock.
//!
//! Owns: the OIDC Auth API ("Web SDK v4") requests and the verification of its result token, and
//! the signing of the Auth and Admin APIs. Does not own: what a result may claim (`authn`), the
//! HTTP client (`server::back_end::duo`), or Duo's own side (`simulator`).
//!
//! Other Rust programs use it too: [`integration::Integration::builder`] makes an integration, and
//! [`DuoWeb`](crate::server::back_end::duo::DuoWeb) protects a page with it.

pub mod admin_api;
pub mod auth_api;
pub mod claims;
pub mod hmac;
pub mod import;
pub mod integration;
pub mod jwt;
pub mod oidc;
pub mod secret;
