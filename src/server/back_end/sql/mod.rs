//! PostgreSQL: attributes by a query, persistent NameIDs in a table.
//!
//! TLS is always verified, host name included, beyond loopback (attack S56); what users type reaches
//! the database as parameters alone (S55).

mod connection;
mod directory;
mod persistent_ids;
mod tls;

pub use directory::SqlDirectory;
pub use persistent_ids::SqlPersistentIds;
