//! `IndexRange`: which keys a look-up in an ordered index wants.

use crate::types::Value;

/// A range of an ordered index: keys that begin with `prefix`, then bounds on the next column.
#[derive(Clone, Debug, Default)]
pub struct IndexRange {
    /// Values of the first columns, compared for equality. NULL here matches NULL keys.
    pub prefix: Vec<Value>,
    /// Lower bound of the next column and whether it is included.
    pub lower: Option<(Value, bool)>,
    /// Upper bound of the next column and whether it is included. With a bound NULLs of that column are left out.
    pub upper: Option<(Value, bool)>,
    /// Last key first.
    pub reverse: bool,
}
