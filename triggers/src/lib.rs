//! Everything that happens because a row changed.
//!
//! # The life of a change
//!
//! 1. A statement is about to write a table. The engine asks `Fire::attached` (`fire.rs`) once for it. A table without
//!    triggers answers none. Otherwise the answer holds the table's triggers in firing order, compiled once and kept
//!    until a definition changes: each came from `Kind::attach` (`kind.rs`) of the kind that `registry::KINDS` names.
//! 2. Per row, `before` runs what may still change or refuse it: AMI scripts (`script/ami`), each seeing what the one
//!    before made of the row. The engine writes the row. `after` runs the rest: scripts again, and views (`view`), which
//!    fold the row into the difference that it makes to each group.
//! 3. At the statement's end `finish` writes the folded differences through the engine's own door, so that the targets'
//!    triggers fire in turn, one level deeper.
//! 4. The transaction commits: one record in the change log. Once it is durable the engine calls `Fire::committed`,
//!    which wakes the subscribers of `feed.rs`. Each has a thread, a session and a durable cursor of its own; it reads
//!    the log from its cursor and answers every change that concerns it (`queue`: the Lua triggers). What it writes and
//!    the step of its cursor are one commit. A failure rolls back and comes again after a pause (`retry.rs`).
//!
//! An in-transaction trigger never outlives its statement; a subscriber never runs in a writer's transaction.

pub mod cursor;
pub mod feed;
pub mod fire;
mod clockwork;
mod inbox;
mod internal;
pub mod kind;
pub mod queue;
pub mod registry;
pub mod relay;
pub mod retry;
pub mod script;
mod signal;
pub mod source;
mod sweep;
pub mod timer;
pub mod view;

pub use feed::Feed;
pub use fire::Fire;
