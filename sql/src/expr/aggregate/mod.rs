//! Aggregate functions (PG-118): accumulators that add, retract and give a result.
//!
//! DISTINCT, ORDER BY and FILTER are the executor's: it chooses which rows reach `add` and in which order. An
//! ordered-set aggregate gets its direct arguments before the ordered value in every `add`, rows already in order.
mod collect;
mod numbers;
mod ordered;
mod rows;
mod statistics;
mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::Result;
use crate::types::{DataType, Oid, TextStyle, Value};

pub(crate) use rows::ROWS;

/// How an aggregate call was bound.
#[derive(Clone, Debug)]
pub struct AggregateInfo {
    /// Argument types after resolution.
    pub arg_types: Vec<DataType>,
    /// Result type after resolution.
    pub result: DataType,
    /// Settings for text forms (string_agg, json_agg).
    pub style: TextStyle,
}

/// The running state of one aggregate over one group.
pub trait Accumulator: Send {
    /// Takes one row's argument values (no arguments for `count(*)`). NULLs as the aggregate defines.
    fn add(&mut self, args: &[Value]) -> Result<()>;
    /// Takes one earlier row away; false if this aggregate cannot and must be computed afresh.
    fn retract(&mut self, args: &[Value]) -> Result<bool>;
    /// The value now.
    fn result(&self) -> Result<Value>;
}

/// An aggregate function.
pub struct AggregateFunction {
    /// PostgreSQL's OID.
    pub oid: Oid,
    /// Name.
    pub name: &'static str,
    /// Argument types; empty for `count(*)`. Of an ordered-set aggregate: direct arguments, then the ordered ones.
    pub args: &'static [Oid],
    /// Of an ordered-set aggregate (WITHIN GROUP): how many direct arguments it has.
    pub direct: Option<usize>,
    /// Result type.
    pub result: Oid,
    /// Makes an empty accumulator.
    pub make: fn(&AggregateInfo) -> Box<dyn Accumulator>,
}

impl AggregateFunction {
    /// Whether its result shows in which order its input came.
    #[must_use]
    pub fn shows_order(&self) -> bool {
        matches!(
            self.name,
            "array_agg" | "string_agg" | "json_agg" | "jsonb_agg" | "json_object_agg" | "jsonb_object_agg"
        )
    }
}

impl std::fmt::Debug for AggregateFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?})", self.name, self.args)
    }
}

/// All aggregates.
#[must_use]
pub fn aggregates() -> &'static [AggregateFunction] {
    table::AGGREGATES
}

/// Those of one name.
pub fn aggregates_named(name: &str) -> impl Iterator<Item = &'static AggregateFunction> + use<> {
    static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static AggregateFunction>>> = LazyLock::new(|| {
        let mut by_name: HashMap<&'static str, Vec<&'static AggregateFunction>> = HashMap::new();
        for aggregate in aggregates() {
            by_name.entry(aggregate.name).or_default().push(aggregate);
        }
        by_name
    });
    BY_NAME.get(name).map_or(&[][..], Vec::as_slice).iter().copied()
}

/// Whether an aggregate of this name exists.
#[must_use]
pub fn is_aggregate(name: &str) -> bool {
    aggregates_named(name).next().is_some()
}
