//! HTTP: one file for each endpoint, named after its URL.

pub mod client_address;
