//! The PostgreSQL wire front end and the server itself.
//!
//! Life of a connection: `server` accepts it; `startup` brings it to a session; `handler` reads messages and hands
//! them to `simple`, `extended` and `copy`, which call the session and answer through `encode` and `error`; `handler` holds the
//! answer until what it says is durable, and writes it. This crate alone knows the wire, tokio's sockets and the library
//! that speaks the protocol; what a statement means is the session's business.

mod ami;
mod auth;
mod copy;
mod decode;
mod demo;
mod encode;
mod error;
mod extended;
mod handler;
mod http;
mod message;
mod metrics;
mod open;
mod procedure;
mod server;
mod simple;
mod startup;
mod stream;
mod triggers;

pub mod config;
pub mod log;

/// Stack of the threads that run statements: what nests deeply is walked and dropped by calls that nest as deeply, and
/// an overflow ends the process (PG-63). Reserved, used only as far as it is touched. For whoever builds the runtime.
pub const STACK_BYTES: usize = 64 << 20;

pub use demo::demo;
pub use open::{Parts, StartError, TokioBlocker};
pub use server::{Server, run};
