//! Derived tables, kept current inside the writer's transaction, by differences.
//!
//! A source row's change becomes weighted rows (`delta.rs`: +1 the new image, -1 the old one). An operator (`op/`) folds
//! them into what they change of its result, per group or key, in memory; at the statement's end (or at once, where a
//! script could look) it reads what it remembers of the touched groups (`state.rs`, rows of hidden tables, locked so that
//! writers of the same group wait for each other), adds the difference and writes state and target through the engine's
//! door, each table's rows as one statement, so that views of views fold too. Nothing ever reads the whole source or
//! target, except a rebuild. What every such kind shares about its target (who may write it, cycles, rights) is in
//! `target.rs`; expressions over one source are in `select.rs`, over two in `pair.rs`; the kinds stand in folders of
//! their own.

pub mod aggregate;
pub mod decorate;
pub(crate) mod delta;
pub mod join;
pub(crate) mod op;
pub(crate) mod pair;
pub mod projection;
pub(crate) mod select;
pub(crate) mod state;
pub(crate) mod target;
