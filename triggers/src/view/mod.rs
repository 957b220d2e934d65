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

use std::sync::Arc;

use crate::kind::{Listens, RowTrigger, Running};

/// What a view makes of the changes of one statement: takes them in by `note` and writes what they come to in `finish`.
pub(crate) trait Maintenance: Running + Sized + 'static {
    /// The compiled definition, shared by all statements.
    type Plan: Send + Sync + 'static;
    /// Whether what it writes may come back to one of its tables before the statement ends.
    const RETURNS: bool = false;

    /// With nothing taken in.
    fn new(plan: Arc<Self::Plan>) -> Self;
}

/// The running form of a view: every change of its tables after it was made, and never a look at others meanwhile.
pub(crate) struct Maintained<M: Maintenance>(Arc<M::Plan>);

impl<M: Maintenance> Maintained<M> {
    /// The one of this plan.
    pub(crate) fn by(plan: Arc<M::Plan>) -> Arc<dyn RowTrigger> {
        Arc::new(Maintained::<M>(plan))
    }
}

impl<M: Maintenance> RowTrigger for Maintained<M> {
    fn listens(&self) -> Listens {
        Listens { before: [false; 3], after: [true; 3] }
    }

    fn observes(&self) -> bool {
        false
    }

    fn folds(&self) -> bool {
        true
    }

    fn returns(&self) -> bool {
        M::RETURNS
    }

    fn start(self: Arc<Self>, _: bool) -> Box<dyn Running> {
        Box::new(M::new(self.0.clone()))
    }
}
