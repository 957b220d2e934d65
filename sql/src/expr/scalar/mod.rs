//! Scalar and set-returning functions, one file per family.
//!
//! Each family has a table `FUNCTIONS` of what it offers and, where it has some, `OPERATORS`: (OID, name, left type or
//! 0, right type, OID of the function). The OIDs are PostgreSQL 15's. A body may count on its arguments' types, since
//! resolution coerced them; the readers of `Call` here turn a broken promise into XX000 instead of a panic.

mod amilike;
mod args;
mod array;
mod bits;
mod bytes;
mod catalog;
mod compare;
mod datetime;
mod enums;
mod json;
mod keywords;
mod math;
mod pattern;
mod printf;
mod range;
mod series;
mod session;
mod system;
mod text;
mod tochar;
mod tonumber;
mod variadic;

pub use amilike::AmiPattern;
pub(in crate::expr) use bits::bitwise;
pub(in crate::expr) use compare::compare_across;
pub(crate) use json::to_jsonb;
pub(in crate::expr) use json::{is_structured, json_key, to_json};
pub use system::{ROW_CTID, ROW_SAMPLED, ROW_XMIN};
pub(in crate::expr) use variadic::twin;

use super::function::Function;
use crate::types::Oid;

const NAME_ARRAY: Oid = 1003;
const INT4_ARRAY: Oid = 1007;
const TEXT_ARRAY: Oid = 1009;
const ACLITEM_ARRAY: Oid = 1034;
const REGTYPE_ARRAY: Oid = 2211;

/// An operator's row before its function is looked up.
pub(super) type OperatorRow = (Oid, &'static str, Oid, Oid, Oid);

/// All functions of all families.
pub(super) fn all_functions() -> Vec<Function> {
    let mut all = compare::functions();
    for family in [
        math::FUNCTIONS,
        text::FUNCTIONS,
        bytes::FUNCTIONS,
        bits::FUNCTIONS,
        pattern::FUNCTIONS,
        printf::FUNCTIONS,
        amilike::FUNCTIONS,
        datetime::FUNCTIONS,
        array::FUNCTIONS,
        enums::FUNCTIONS,
        range::FUNCTIONS,
        series::FUNCTIONS,
        session::FUNCTIONS,
        system::FUNCTIONS,
        catalog::FUNCTIONS,
        tochar::FUNCTIONS,
        tonumber::FUNCTIONS,
        json::FUNCTIONS,
    ] {
        all.extend(family.iter().copied());
    }
    all
}

/// All operators of all families.
pub(super) fn all_operators() -> Vec<OperatorRow> {
    let mut all = compare::operators();
    for family in [
        math::OPERATORS,
        text::OPERATORS,
        bytes::OPERATORS,
        bits::OPERATORS,
        pattern::OPERATORS,
        datetime::OPERATORS,
        array::OPERATORS,
        range::OPERATORS,
        series::OPERATORS,
        session::OPERATORS,
        catalog::OPERATORS,
        tochar::OPERATORS,
        tonumber::OPERATORS,
        json::OPERATORS,
    ] {
        all.extend_from_slice(family);
    }
    all
}
