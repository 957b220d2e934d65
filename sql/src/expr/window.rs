//! Window-only functions: the table that resolution and pg_proc use. The executor computes them by name.
use super::function::WindowFunction;
use crate::types::{Oid, oid};

const fn window(oid: Oid, name: &'static str, args: &'static [Oid], result: Oid) -> WindowFunction {
    WindowFunction { oid, name, args, result }
}

const WINDOW_FUNCTIONS: &[WindowFunction] = &[
    window(3100, "row_number", &[], oid::INT8),
    window(3101, "rank", &[], oid::INT8),
    window(3102, "dense_rank", &[], oid::INT8),
    window(3103, "percent_rank", &[], oid::FLOAT8),
    window(3104, "cume_dist", &[], oid::FLOAT8),
    window(3105, "ntile", &[oid::INT4], oid::INT4),
    window(3106, "lag", &[oid::ANYELEMENT], oid::ANYELEMENT),
    window(3107, "lag", &[oid::ANYELEMENT, oid::INT4], oid::ANYELEMENT),
    window(3108, "lag", &[oid::ANYCOMPATIBLE, oid::INT4, oid::ANYCOMPATIBLE], oid::ANYCOMPATIBLE),
    window(3109, "lead", &[oid::ANYELEMENT], oid::ANYELEMENT),
    window(3110, "lead", &[oid::ANYELEMENT, oid::INT4], oid::ANYELEMENT),
    window(3111, "lead", &[oid::ANYCOMPATIBLE, oid::INT4, oid::ANYCOMPATIBLE], oid::ANYCOMPATIBLE),
    window(3112, "first_value", &[oid::ANYELEMENT], oid::ANYELEMENT),
    window(3113, "last_value", &[oid::ANYELEMENT], oid::ANYELEMENT),
    window(3114, "nth_value", &[oid::ANYELEMENT, oid::INT4], oid::ANYELEMENT),
];

/// All window-only functions.
#[must_use]
pub fn window_functions() -> &'static [WindowFunction] {
    WINDOW_FUNCTIONS
}

/// Those of one name.
pub fn window_functions_named(name: &str) -> impl Iterator<Item = &'static WindowFunction> {
    WINDOW_FUNCTIONS.iter().filter(move |function| function.name == name)
}
