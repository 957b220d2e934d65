//! Readers of a call's arguments. They fail with XX000 only if resolution gave a body what it was not bound for.
use std::sync::Arc;

use super::super::function::Call;
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Array, Interval, Jsonb, Numeric, Oid, Value, to_text};

impl Call<'_> {
    fn broken(&self, index: usize, wanted: &str) -> SqlError {
        SqlError::internal(format!("argument {index} is {:?}, not {wanted}", self.args.get(index)))
    }

    /// Whether argument `index` is there and not NULL.
    pub(super) fn has(&self, index: usize) -> bool {
        self.args.get(index).is_some_and(|value| !value.is_null())
    }

    pub(super) fn bool(&self, index: usize) -> Result<bool> {
        self.args.get(index).and_then(Value::as_bool).ok_or_else(|| self.broken(index, "bool"))
    }

    #[inline]
    pub(super) fn int(&self, index: usize) -> Result<i64> {
        self.args.get(index).and_then(Value::as_i64).ok_or_else(|| self.broken(index, "an integer"))
    }

    pub(super) fn int4(&self, index: usize) -> Result<i32> {
        i32::try_from(self.int(index)?).map_err(|_| out_of_range("integer"))
    }

    pub(super) fn oid(&self, index: usize) -> Result<Oid> {
        Oid::try_from(self.int(index)?).map_err(|_| out_of_range("OID"))
    }

    #[inline]
    pub(super) fn float(&self, index: usize) -> Result<f64> {
        self.args.get(index).and_then(Value::as_f64).ok_or_else(|| self.broken(index, "a float"))
    }

    pub(super) fn float4(&self, index: usize) -> Result<f32> {
        match self.args.get(index) {
            Some(Value::Float4(n)) => Ok(*n),
            _ => Err(self.broken(index, "real")),
        }
    }

    #[inline]
    pub(super) fn text(&self, index: usize) -> Result<&str> {
        self.args.get(index).and_then(Value::as_str).ok_or_else(|| self.broken(index, "text"))
    }

    pub(super) fn numeric(&self, index: usize) -> Result<&Numeric> {
        match self.args.get(index) {
            Some(Value::Numeric(n)) => Ok(n),
            _ => Err(self.broken(index, "numeric")),
        }
    }

    pub(super) fn bytes(&self, index: usize) -> Result<&[u8]> {
        match self.args.get(index) {
            Some(Value::Bytea(bytes)) => Ok(bytes),
            _ => Err(self.broken(index, "bytea")),
        }
    }

    pub(super) fn interval(&self, index: usize) -> Result<Interval> {
        match self.args.get(index) {
            Some(Value::Interval(interval)) => Ok(*interval),
            _ => Err(self.broken(index, "interval")),
        }
    }

    /// The number inside a date, time or timestamp.
    pub(super) fn time(&self, index: usize) -> Result<i64> {
        match self.args.get(index) {
            Some(Value::Date(days)) => Ok(i64::from(*days)),
            Some(
                Value::Time(micros) | Value::TimeTz(micros, _) | Value::Timestamp(micros) | Value::TimestampTz(micros),
            ) => Ok(*micros),
            _ => Err(self.broken(index, "a time")),
        }
    }

    pub(super) fn array(&self, index: usize) -> Result<&Arc<Array>> {
        match self.args.get(index) {
            Some(Value::Array(array)) => Ok(array),
            _ => Err(self.broken(index, "an array")),
        }
    }

    pub(super) fn jsonb(&self, index: usize) -> Result<&Arc<Jsonb>> {
        match self.args.get(index) {
            Some(Value::Jsonb(json)) => Ok(json),
            _ => Err(self.broken(index, "jsonb")),
        }
    }

    /// The text form of argument `index`; `None` for NULL.
    pub(super) fn printed(&self, index: usize) -> Option<String> {
        let value = self.args.get(index)?;
        if value.is_null() {
            return None;
        }
        let mut out = String::new();
        let ty = self.arg_types.get(index).copied().unwrap_or(crate::types::DataType::TEXT);
        to_text(value, ty, self.ctx.style, &mut out);
        Some(out)
    }

    /// The items of a text array; NULLs as `None`.
    pub(super) fn texts(&self, index: usize) -> Result<Vec<Option<&str>>> {
        Ok(self.array(index)?.items.iter().map(Value::as_str).collect())
    }
}

/// 22003 `integer out of range`
pub(super) fn out_of_range(what: &str) -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} out of range"))
}

/// 22012
pub(super) fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

/// 22023
pub(super) fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// An int4 value of a length or position.
pub(super) fn int4_value(n: usize) -> Value {
    Value::Int4(i32::try_from(n).unwrap_or(i32::MAX))
}
