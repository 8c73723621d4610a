//! The world: HTTP, back ends, storage, logs, reload, clock and randomness.
//!
//! Owns everything that touches files, sockets, time or randomness. Does not own any decision:
//! `authn` decides a login, `policy` decides what scripts say, `response` decides what is sent
//! back. A handler reads bytes, asks one of them, and does what the answer says.

pub mod app;
pub mod back_end;
pub mod conversation;
pub mod generation;
pub mod http;
pub mod load;
pub mod logs;
pub mod journal;
pub mod metadata;
pub mod pages;
pub mod reload;
pub mod replay;
pub mod session;
pub mod storage;
pub mod sweep;
pub mod world;
