//! How a login is decided.
//!
//! Owns: the login's state machine, the flows, the transition map, flow descriptors, principals,
//! evidence, results and their reuse. Pure and synchronous: the instant and the randomness are
//! arguments, effects are returned. Does not own: running scripts (`policy` implements
//! [`strategy::Strategies`]), pages' looks or any call to a back end (`server`).

pub mod descriptor;
pub mod duo_auth_api;
pub mod event;
pub mod evidence;
pub mod facts;
pub mod flow;
pub mod login;
pub mod moment;
pub mod principal;
pub mod remembered;
pub mod result;
pub mod rules;
pub mod self_service;
pub mod strategy;
pub mod transition;
