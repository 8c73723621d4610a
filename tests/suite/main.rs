//! The whole system from outside: the built program, Duo's simulator, service providers and a
//! browser that nobody here wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod artifact;
mod attacks;
mod audit;
mod browser;
mod check_online;
mod commands;
mod consent;
mod context_table;
mod demo;
mod drill;
mod duo_certificates;
mod duo_clients;
mod duo_import;
mod duo_outage;
mod duo_record;
mod duo_web;
mod ecp;
mod ecp_duo;
mod ecp_peers;
mod error_url;
mod first_hour;
mod harness;
mod keys;
mod ldap;
mod library_sp;
mod metadata_chaos;
mod name_ids;
mod operations;
mod pysaml2_sp;
mod remembered;
mod restart;
mod self_service;
mod server_inside;
mod server_reload;
mod shibboleth_sp;
mod single_logout;
mod sql;
mod walks;
