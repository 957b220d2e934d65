//! A SQL engine with PostgreSQL's meaning and a door for triggers.
//!
//! The modules stand in their order: each uses only those above it. `tests/tidy.rs` holds the list.

pub mod error;
pub mod env;
pub mod types;
pub mod catalog;
pub mod change;
pub mod parse;
pub mod expr;
pub mod store;
pub mod plan;
pub mod system;
pub mod exec;
pub mod session;
pub mod engine;
