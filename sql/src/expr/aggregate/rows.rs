//! The arguments of all rows of a group, as they are: what an aggregate of a user gets, whose code runs once the group is known.

use std::sync::Arc;

use super::{Accumulator, AggregateFunction, AggregateInfo};
use crate::error::Result;
use crate::types::{Array, DataType, Record, Value, oid};

/// The aggregate: an array of records, empty for a group without rows. In no table; only the binder names it.
pub(crate) static ROWS: AggregateFunction = AggregateFunction {
    oid: 0,
    name: "group_rows",
    args: &[oid::ANY],
    direct: None,
    result: oid::ANYARRAY,
    make: |info: &AggregateInfo| Box::new(Rows { types: info.arg_types.clone(), rows: Vec::new() }),
};

struct Rows {
    types: Vec<DataType>,
    rows: Vec<Value>,
}

impl Rows {
    fn record(&self, args: &[Value]) -> Value {
        let name: Arc<str> = Arc::from("");
        let fields = self.types.iter().zip(args).map(|(ty, value)| (name.clone(), *ty, value.clone()));
        Value::Record(Arc::new(Record { fields: fields.collect() }))
    }
}

impl Accumulator for Rows {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        self.rows.push(self.record(args));
        Ok(())
    }

    fn retract(&mut self, _: &[Value]) -> Result<bool> {
        Ok(false)
    }

    fn result(&self) -> Result<Value> {
        Ok(Value::Array(Arc::new(Array::one_dimensional(oid::RECORD, self.rows.clone()))))
    }
}
