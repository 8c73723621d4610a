//! What a relying party asks, as values, and the SAML 2.0 wire formats byte for byte.
//!
//! Owns: the XML core (strict reader, canonical writer, signature, encryption), the bindings,
//! metadata, and the accepted [`request::AuthnRequest`]. Does not own: what we answer
//! (`response`), or where metadata comes from (`server`).

pub mod artifact;
pub mod binding;
pub mod context;
pub mod ecp;
pub mod encryption;
pub mod instant;
pub mod key;
pub mod logout;
pub mod metadata;
pub mod name_id;
pub mod own_metadata;
mod proof;
pub mod request;
pub mod signature;
pub mod soap;
pub mod status;
pub mod xml;
