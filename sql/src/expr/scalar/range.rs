//! Ranges: constructors, operators and functions (section 8).
use std::sync::Arc;

use super::OperatorRow;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{
    ANYELEMENT, ANYRANGE, BOOL, DATE, DATERANGE, INT4, INT4RANGE, INT8, INT8RANGE, NUMERIC, NUMRANGE, TEXT, TIMESTAMP,
    TIMESTAMPTZ, TSRANGE, TSTZRANGE,
};
use crate::types::{Bound, Range, Value, range_element};

fn value(range: Range) -> Value {
    Value::Range(Arc::new(range))
}

fn argument<'a>(call: &'a Call<'_>, index: usize) -> Result<&'a Range> {
    match call.args.get(index) {
        Some(Value::Range(range)) => Ok(range),
        other => Err(SqlError::internal(format!("argument {index} is {other:?}, not a range"))),
    }
}

/// `int4range(1, 5, '[]')`: NULL bounds are open, the third argument says which belong to it. Errors: 22000, 42601.
fn construct(call: &Call<'_>) -> Result<Value> {
    let element = range_element(call.result.oid).ok_or_else(|| SqlError::internal("no range type"))?;
    let brackets = if call.args.len() == 3 {
        if !call.has(2) {
            return Err(SqlError::new(SqlState::DATA_EXCEPTION, "range constructor flags argument must not be null"));
        }
        call.text(2)?
    } else {
        "[)"
    };
    let (lower, upper) = match brackets {
        "[)" => (true, false),
        "[]" => (true, true),
        "(]" => (false, true),
        "()" => (false, false),
        _ => {
            return Err(SqlError::new(SqlState::SYNTAX_ERROR, "invalid range bound flags")
                .hint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\"."));
        }
    };
    let bound =
        |index: usize, inclusive: bool| Bound { value: call.args.get(index).cloned().unwrap_or_default(), inclusive };
    Range::new(element, bound(0, lower), bound(1, upper)).map(value)
}

/// The bounds; none of the empty range.
fn bounds<'a>(call: &'a Call<'_>) -> Result<Option<&'a (Bound, Bound)>> {
    Ok(argument(call, 0)?.bounds.as_ref())
}

/// A question about two ranges.
fn ask(call: &Call<'_>, question: impl Fn(&Range, &Range) -> bool) -> Result<Value> {
    Ok(Value::Bool(question(argument(call, 0)?, argument(call, 1)?)))
}

fn holds(call: &Call<'_>, range: usize, element: usize) -> Result<Value> {
    let element = call.args.get(element).cloned().unwrap_or_default();
    Ok(Value::Bool(argument(call, range)?.holds(&element)))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(3840, "int4range", &[INT4, INT4], INT4RANGE, construct).lax(),
    Function::new(3841, "int4range", &[INT4, INT4, TEXT], INT4RANGE, construct).lax(),
    Function::new(3844, "numrange", &[NUMERIC, NUMERIC], NUMRANGE, construct).lax(),
    Function::new(3845, "numrange", &[NUMERIC, NUMERIC, TEXT], NUMRANGE, construct).lax(),
    Function::new(3933, "tsrange", &[TIMESTAMP, TIMESTAMP], TSRANGE, construct).lax(),
    Function::new(3934, "tsrange", &[TIMESTAMP, TIMESTAMP, TEXT], TSRANGE, construct).lax(),
    Function::new(3937, "tstzrange", &[TIMESTAMPTZ, TIMESTAMPTZ], TSTZRANGE, construct).lax(),
    Function::new(3938, "tstzrange", &[TIMESTAMPTZ, TIMESTAMPTZ, TEXT], TSTZRANGE, construct).lax(),
    Function::new(3941, "daterange", &[DATE, DATE], DATERANGE, construct).lax(),
    Function::new(3942, "daterange", &[DATE, DATE, TEXT], DATERANGE, construct).lax(),
    Function::new(3945, "int8range", &[INT8, INT8], INT8RANGE, construct).lax(),
    Function::new(3946, "int8range", &[INT8, INT8, TEXT], INT8RANGE, construct).lax(),
    Function::new(3848, "lower", &[ANYRANGE], ANYELEMENT, |c| Ok(bounds(c)?.map_or(Value::Null, |b| b.0.value.clone()))),
    Function::new(3849, "upper", &[ANYRANGE], ANYELEMENT, |c| Ok(bounds(c)?.map_or(Value::Null, |b| b.1.value.clone()))),
    Function::new(3850, "isempty", &[ANYRANGE], BOOL, |c| Ok(Value::Bool(bounds(c)?.is_none()))),
    Function::new(3851, "lower_inc", &[ANYRANGE], BOOL, |c| Ok(Value::Bool(bounds(c)?.is_some_and(|b| b.0.inclusive)))),
    Function::new(3852, "upper_inc", &[ANYRANGE], BOOL, |c| Ok(Value::Bool(bounds(c)?.is_some_and(|b| b.1.inclusive)))),
    Function::new(3853, "lower_inf", &[ANYRANGE], BOOL, |c| Ok(Value::Bool(bounds(c)?.is_some_and(|b| b.0.value.is_null())))),
    Function::new(3854, "upper_inf", &[ANYRANGE], BOOL, |c| Ok(Value::Bool(bounds(c)?.is_some_and(|b| b.1.value.is_null())))),
    Function::new(3857, "range_overlaps", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::overlaps)),
    Function::new(3858, "range_contains_elem", &[ANYRANGE, ANYELEMENT], BOOL, |c| holds(c, 0, 1)),
    Function::new(3859, "range_contains", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::contains)),
    Function::new(3860, "elem_contained_by_range", &[ANYELEMENT, ANYRANGE], BOOL, |c| holds(c, 1, 0)),
    Function::new(3861, "range_contained_by", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, |l, r| r.contains(l))),
    Function::new(3862, "range_adjacent", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::adjacent)),
    Function::new(3863, "range_before", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::before)),
    Function::new(3864, "range_after", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, |l, r| r.before(l))),
    Function::new(3865, "range_overleft", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::not_right_of)),
    Function::new(3866, "range_overright", &[ANYRANGE, ANYRANGE], BOOL, |c| ask(c, Range::not_left_of)),
    Function::new(3867, "range_union", &[ANYRANGE, ANYRANGE], ANYRANGE, |c| argument(c, 0)?.union(argument(c, 1)?).map(value)),
    Function::new(3868, "range_intersect", &[ANYRANGE, ANYRANGE], ANYRANGE, |c| Ok(value(argument(c, 0)?.intersection(argument(c, 1)?)))),
    Function::new(3869, "range_minus", &[ANYRANGE, ANYRANGE], ANYRANGE, |c| argument(c, 0)?.minus(argument(c, 1)?).map(value)),
    Function::new(4057, "range_merge", &[ANYRANGE, ANYRANGE], ANYRANGE, |c| Ok(value(argument(c, 0)?.merge(argument(c, 1)?)))),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (3888, "&&", ANYRANGE, ANYRANGE, 3857), (3889, "@>", ANYRANGE, ANYELEMENT, 3858),
    (3890, "@>", ANYRANGE, ANYRANGE, 3859), (3891, "<@", ANYELEMENT, ANYRANGE, 3860),
    (3892, "<@", ANYRANGE, ANYRANGE, 3861), (3893, "<<", ANYRANGE, ANYRANGE, 3863),
    (3894, ">>", ANYRANGE, ANYRANGE, 3864), (3895, "&<", ANYRANGE, ANYRANGE, 3865),
    (3896, "&>", ANYRANGE, ANYRANGE, 3866), (3897, "-|-", ANYRANGE, ANYRANGE, 3862),
    (3898, "+", ANYRANGE, ANYRANGE, 3867), (3899, "-", ANYRANGE, ANYRANGE, 3869),
    (3900, "*", ANYRANGE, ANYRANGE, 3868),
];
