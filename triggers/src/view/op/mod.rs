//! Operators of views, one per file: what they fold, and what they need to remember to take it back.

pub(crate) mod exact;
pub(crate) mod group;
pub(crate) mod matches;
