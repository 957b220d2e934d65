//! Expressions: typed, bound, ready to run.
//!
//! The binder resolves every name and every type once; what is left knows columns by place and functions by pointer.
//! `eval` runs one over a row. `function` holds the tables of functions and operators that pg_proc and pg_operator
//! show and that resolution searches, `resolve` chooses among them; `scalar/` has their code, one file per family;
//! `aggregate` the accumulators.

mod aggregate;
mod eval;
mod function;
mod lookup;
mod resolve;
mod runtime;
pub mod scalar;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

pub(crate) use aggregate::ROWS;
pub use aggregate::{Accumulator, AggregateFunction, AggregateInfo, aggregates, aggregates_named, is_aggregate};
pub(crate) use eval::build_array;
pub use eval::{compare_values, eval, eval_predicate};
pub use function::{
    Call, Function, FunctionBody, Operator, ScalarFn, SetFn, Volatility, WindowFunction, function_by_oid, functions,
    functions_named, operator_by_oid, operators, operators_named,
};
pub(crate) use resolve::element_of;
pub use resolve::{Resolved, ResolvedOperator, Target, common_type, resolve_function, resolve_operator};
pub use runtime::{EvalContext, OuterRow, Runtime, SubqueryResult};
pub(crate) use scalar::to_jsonb;
pub use window::{window_functions, window_functions_named};

use crate::types::{CastContext, DataType, Value};

/// A bound expression. Its value is NULL or of its `data_type`.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A constant.
    Const(Value, DataType),
    /// Column of the input row, by place.
    Column(usize, DataType),
    /// Parameter `$n`, counted from 0.
    Param(usize, DataType),
    /// Column `column` of the current row of an enclosing query: `depth` 1 is the query directly around.
    Outer {
        /// How many queries further out.
        depth: usize,
        /// Place in that query's row.
        column: usize,
        /// Type.
        ty: DataType,
    },
    /// A function or operator call. A strict function is not called with a NULL argument.
    Call {
        /// What is called.
        function: &'static Function,
        /// Arguments, already of the types it takes.
        args: Vec<Expr>,
        /// Result type (polymorphic results resolved).
        ty: DataType,
    },
    /// Comparison of two values of one comparable type by `types::compare`; NULL if either is.
    Compare {
        /// Operator.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand, of the same type.
        right: Box<Expr>,
    },
    /// A conversion; `from` is the input's type.
    Cast {
        /// What is converted.
        input: Box<Expr>,
        /// To what.
        to: DataType,
        /// How it was asked for.
        context: CastContext,
    },
    /// AND of all, three-valued.
    And(Vec<Expr>),
    /// OR of all, three-valued.
    Or(Vec<Expr>),
    /// NOT
    Not(Box<Expr>),
    /// `IS [NOT] NULL`; of a record: all fields (not) null.
    IsNull {
        /// Operand.
        input: Box<Expr>,
        /// IS NOT NULL
        negated: bool,
    },
    /// `IS [NOT] TRUE`, `FALSE` or `UNKNOWN`.
    BoolTest {
        /// Operand.
        input: Box<Expr>,
        /// Tested for: Some(true), Some(false), None = unknown.
        value: Option<bool>,
        /// IS NOT
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`; both of one comparable type.
    IsDistinct {
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// IS NOT DISTINCT FROM
        negated: bool,
    },
    /// CASE WHEN … (an operand form is bound as comparisons).
    Case {
        /// Conditions and results.
        whens: Vec<(Expr, Expr)>,
        /// ELSE, NULL if absent.
        otherwise: Box<Expr>,
        /// Type.
        ty: DataType,
    },
    /// First argument that is not NULL.
    Coalesce(Vec<Expr>, DataType),
    /// GREATEST or LEAST.
    Extreme {
        /// GREATEST rather than LEAST.
        greatest: bool,
        /// Arguments, of one comparable type.
        args: Vec<Expr>,
        /// Type.
        ty: DataType,
    },
    /// `input [NOT] IN (constants)`, hashed at first use; all of one comparable type.
    InList {
        /// Operand.
        input: Box<Expr>,
        /// List.
        list: Arc<Vec<Expr>>,
        /// NOT IN
        negated: bool,
    },
    /// `left op ANY/ALL (array)`: `test` compares its columns 0 (left) and 1 (item), given as a two-column row.
    AnyArray {
        /// Left operand.
        left: Box<Expr>,
        /// The array.
        array: Box<Expr>,
        /// Boolean expression over (left, item).
        test: Box<Expr>,
        /// ALL rather than ANY.
        all: bool,
    },
    /// ARRAY[…]; `nested`: the items are arrays that become a further dimension.
    Array {
        /// Items.
        items: Vec<Expr>,
        /// Items are arrays.
        nested: bool,
        /// Array type.
        ty: DataType,
    },
    /// ROW(…)
    Row {
        /// Field values; names for composite types, empty otherwise.
        fields: Vec<(Arc<str>, Expr)>,
        /// record or a composite type.
        ty: DataType,
    },
    /// Row comparison: lexicographic over pairs.
    CompareRows {
        /// Operator.
        op: CompareOp,
        /// Pairs of operands of one comparable type each.
        pairs: Vec<(Expr, Expr)>,
    },
    /// `array[i][j]`: one element. jsonb subscripts are bound as calls.
    Subscript {
        /// The array.
        array: Box<Expr>,
        /// One int4 per dimension.
        subscripts: Vec<Expr>,
        /// Element type.
        ty: DataType,
    },
    /// `array[l:u]…`: a slice.
    Slice {
        /// The array.
        array: Box<Expr>,
        /// Bounds per dimension; absent = the array's own.
        bounds: Vec<(Option<Expr>, Option<Expr>)>,
        /// Array type.
        ty: DataType,
    },
    /// (record).field, by place.
    Field {
        /// The record.
        input: Box<Expr>,
        /// Place.
        field: usize,
        /// Type.
        ty: DataType,
    },
    /// A value that a domain must allow: 23514 and 23502 if it does not.
    Checked {
        /// The value, of the domain's base type.
        input: Box<Expr>,
        /// What the domain asks.
        domain: Arc<DomainChecks>,
    },
    /// A subquery.
    Subquery {
        /// What is asked of it.
        kind: SubqueryKind,
        /// Its plan, among those of the statement.
        plan: SubplanId,
        /// Type.
        ty: DataType,
    },
}

/// What a domain asks of its values, bound; those of the domains below it come first.
#[derive(Clone, Debug)]
pub struct DomainChecks {
    /// OID of the domain.
    pub oid: crate::types::Oid,
    /// Name of the schema, for the error's fields.
    pub schema: String,
    /// Name of the domain.
    pub name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// Name and condition over a row of one column, the value.
    pub checks: Vec<(String, Expr)>,
}

/// Names a subquery's plan within its statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubplanId(pub u32);

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants name the operator")]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What an expression asks of a subquery.
#[derive(Clone, Debug)]
pub enum SubqueryKind {
    /// Its only value; NULL if no row; 21000 if several.
    Scalar,
    /// Its only row as several values (`SET (a, b) = (SELECT …)`): a record.
    Row,
    /// Whether it has a row.
    Exists,
    /// ANY (IN) or ALL: `left` values; `test` is a boolean expression over the row (left values, subquery columns).
    /// When `hashable` it is equality pair by pair, so an uncorrelated subquery may be kept as a hash table.
    Quantified {
        /// Values on the left.
        left: Vec<Expr>,
        /// Condition over left values followed by the subquery's columns.
        test: Box<Expr>,
        /// ALL rather than ANY.
        all: bool,
        /// Plain equality.
        hashable: bool,
    },
    /// ARRAY(SELECT …)
    Array,
}

impl Expr {
    /// The type of its value.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Expr::Const(_, ty)
            | Expr::Column(_, ty)
            | Expr::Param(_, ty)
            | Expr::Outer { ty, .. }
            | Expr::Call { ty, .. }
            | Expr::Cast { to: ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Coalesce(_, ty)
            | Expr::Extreme { ty, .. }
            | Expr::Array { ty, .. }
            | Expr::Row { ty, .. }
            | Expr::Subscript { ty, .. }
            | Expr::Slice { ty, .. }
            | Expr::Field { ty, .. }
            | Expr::Subquery { ty, .. } => *ty,
            Expr::Checked { input, .. } => input.data_type(),
            Expr::Compare { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::BoolTest { .. }
            | Expr::IsDistinct { .. }
            | Expr::InList { .. }
            | Expr::AnyArray { .. }
            | Expr::CompareRows { .. } => DataType::BOOL,
        }
    }
}
