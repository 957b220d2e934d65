//! RELAY: changes of a table carried to another server, and messages from other servers carried out here.

mod apply;
mod dateformat;
pub mod message;

pub use apply::{Outcome, Receiver, UnknownTable};

/// A name as SQL text.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
