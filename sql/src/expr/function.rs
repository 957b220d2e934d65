//! The tables of functions and operators: what pg_proc and pg_operator show, what resolution searches.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::runtime::EvalContext;
use super::scalar;
use crate::error::Result;
use crate::types::{DataType, Oid, Row, Value, oid};

/// One call: its values, and the types they were bound with.
pub struct Call<'a> {
    /// Parameters, settings, session.
    pub ctx: &'a EvalContext<'a>,
    /// Argument values.
    pub args: &'a [Value],
    /// Argument types after resolution.
    pub arg_types: &'a [DataType],
    /// Result type after resolution.
    pub result: DataType,
}

/// Code of a scalar function.
pub type ScalarFn = fn(&Call<'_>) -> Result<Value>;
/// Code of a set-returning function: its rows. Functions that return plain values give rows of one column.
pub type SetFn = fn(&Call<'_>) -> Result<Vec<Row>>;

/// IMMUTABLE, STABLE or VOLATILE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// What a function runs.
#[derive(Clone, Copy)]
pub enum FunctionBody {
    /// One value.
    Scalar(ScalarFn),
    /// Rows; the columns beyond the first are in `Function::columns`.
    Set(SetFn),
}

impl std::fmt::Debug for FunctionBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FunctionBody::Scalar(_) => "Scalar",
            FunctionBody::Set(_) => "Set",
        })
    }
}

/// A built-in function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// PostgreSQL's OID where it has one, else one of ours from 15001 up (below 16384).
    pub oid: Oid,
    /// Name.
    pub name: &'static str,
    /// Argument types; polymorphic pseudo-types allowed.
    pub args: &'static [Oid],
    /// The last argument may repeat (VARIADIC; then its type here is the element type, or "any").
    pub variadic: bool,
    /// How many trailing arguments may be left out, and the SQL texts of their defaults.
    pub defaults: &'static [&'static str],
    /// Result type.
    pub result: Oid,
    /// Output columns (name, type) of a set-returning function with several; empty otherwise.
    pub columns: &'static [(&'static str, Oid)],
    /// Volatility.
    pub volatility: Volatility,
    /// NULL in, NULL out (for a set: no rows), without a call.
    pub strict: bool,
    /// Code.
    pub body: FunctionBody,
}

/// A built-in operator.
#[derive(Debug)]
pub struct Operator {
    /// PostgreSQL's OID where it has one.
    pub oid: Oid,
    /// Name: `+`, `~~` (LIKE), `||`.
    pub name: &'static str,
    /// Left operand's type, 0 for a prefix operator.
    pub left: Oid,
    /// Right operand's type.
    pub right: Oid,
    /// The function it calls.
    pub function: &'static Function,
}

/// A window-only function (`row_number` …); aggregates serve as window functions too.
#[derive(Clone, Copy, Debug)]
pub struct WindowFunction {
    /// PostgreSQL's OID.
    pub oid: Oid,
    /// Name.
    pub name: &'static str,
    /// Argument types.
    pub args: &'static [Oid],
    /// Result type.
    pub result: Oid,
}

impl Function {
    /// An immutable, strict scalar function.
    pub(super) const fn new(
        oid: Oid,
        name: &'static str,
        args: &'static [Oid],
        result: Oid,
        body: ScalarFn,
    ) -> Function {
        Function {
            oid,
            name,
            args,
            variadic: false,
            defaults: &[],
            result,
            columns: &[],
            volatility: Volatility::Immutable,
            strict: true,
            body: FunctionBody::Scalar(body),
        }
    }

    /// An immutable, strict set-returning function of one column.
    pub(super) const fn set(oid: Oid, name: &'static str, args: &'static [Oid], result: Oid, body: SetFn) -> Function {
        Function {
            oid,
            name,
            args,
            variadic: false,
            defaults: &[],
            result,
            columns: &[],
            volatility: Volatility::Immutable,
            strict: true,
            body: FunctionBody::Set(body),
        }
    }

    /// What a call of a user's own function becomes: only the binder makes it, and in no table of functions does it stand.
    pub(crate) const fn of_user(
        name: &'static str,
        args: &'static [Oid],
        volatility: Volatility,
        body: FunctionBody,
    ) -> Function {
        Function {
            oid: 0,
            name,
            args,
            variadic: true,
            defaults: &[],
            result: oid::ANY,
            columns: &[],
            volatility,
            strict: false,
            body,
        }
    }

    /// The same, STABLE.
    pub(super) const fn stable(mut self) -> Function {
        self.volatility = Volatility::Stable;
        self
    }

    /// The same, VOLATILE.
    pub(super) const fn volatile(mut self) -> Function {
        self.volatility = Volatility::Volatile;
        self
    }

    /// The same, called with NULLs too.
    pub(super) const fn lax(mut self) -> Function {
        self.strict = false;
        self
    }

    /// The same, its last argument repeating.
    pub(super) const fn variadic(mut self) -> Function {
        self.variadic = true;
        self
    }

    /// The same, with defaults of the last arguments.
    pub(super) const fn defaults(mut self, defaults: &'static [&'static str]) -> Function {
        self.defaults = defaults;
        self
    }

    /// The same, giving rows of these columns.
    pub(super) const fn columns(mut self, columns: &'static [(&'static str, Oid)]) -> Function {
        self.columns = columns;
        self
    }
}

/// Everything built in, with its look-ups.
struct Registry {
    functions: Vec<Function>,
    by_name: HashMap<&'static str, Vec<usize>>,
    by_oid: HashMap<Oid, usize>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut functions = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for function in scalar::all_functions() {
        // A function that several families list (an alias) counts once.
        if seen.insert(function.oid) {
            functions.push(function);
        }
    }
    let mut by_name: HashMap<&'static str, Vec<usize>> = HashMap::new();
    let mut by_oid = HashMap::new();
    for (index, function) in functions.iter().enumerate() {
        by_name.entry(function.name).or_default().push(index);
        by_oid.insert(function.oid, index);
    }
    Registry { functions, by_name, by_oid }
});

/// Operators, ordered by name, and the range of each name.
struct OperatorRegistry {
    operators: Vec<Operator>,
    by_name: HashMap<&'static str, std::ops::Range<usize>>,
}

static OPERATORS: LazyLock<OperatorRegistry> = LazyLock::new(|| {
    let mut operators = Vec::new();
    for (oid, name, left, right, function) in scalar::all_operators() {
        if let Some(function) = function_by_oid(function) {
            operators.push(Operator { oid, name, left, right, function });
        }
    }
    operators.sort_by_key(|operator: &Operator| (operator.name, operator.oid));
    let mut by_name: HashMap<&'static str, std::ops::Range<usize>> = HashMap::new();
    for (index, operator) in operators.iter().enumerate() {
        by_name.entry(operator.name).or_insert(index..index).end = index + 1;
    }
    OperatorRegistry { operators, by_name }
});

/// All built-in scalar and set-returning functions.
#[must_use]
pub fn functions() -> &'static [Function] {
    &REGISTRY.functions
}

/// Those of one name.
pub fn functions_named(name: &str) -> impl Iterator<Item = &'static Function> + use<> {
    REGISTRY.by_name.get(name).map_or(&[][..], Vec::as_slice).iter().map(|index| &REGISTRY.functions[*index])
}

/// The built-in function with this OID.
#[must_use]
pub fn function_by_oid(oid: Oid) -> Option<&'static Function> {
    REGISTRY.by_oid.get(&oid).map(|index| &REGISTRY.functions[*index])
}

/// All built-in operators, ordered by name.
#[must_use]
pub fn operators() -> &'static [Operator] {
    &OPERATORS.operators
}

/// Those of one name; prefix operators have left = 0.
pub fn operators_named(name: &str) -> std::slice::Iter<'static, Operator> {
    OPERATORS.by_name.get(name).map_or(&[][..], |range| &OPERATORS.operators[range.clone()]).iter()
}

/// The built-in operator with this OID.
#[must_use]
pub fn operator_by_oid(oid: Oid) -> Option<&'static Operator> {
    operators().iter().find(|operator| operator.oid == oid)
}
