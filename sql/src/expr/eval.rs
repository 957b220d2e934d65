//! Evaluation of an expression over a row.
//!
//! Columns, constants and parameters are looked at in place, the arguments of a call of up to four live on the stack.
//! NULL follows SQL's three-valued logic. The binder bounds how deep an expression nests; one that is deeper than
//! `DEPTH_MAX` all the same fails with 54001 before the stack is used up.
use std::cmp::Ordering;
use std::sync::Arc;

use super::function::{Call, FunctionBody};
use super::lookup::{array_set, list_set};
use super::resolve::element_of;
use super::runtime::EvalContext;
use super::scalar::compare_across;
use super::{CompareOp, DomainChecks, Expr, SubplanId, SubqueryKind};
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Array, CastContext, DataType, Oid, Record, Value, cast, compare, oid};

/// Deepest nesting that is evaluated.
const DEPTH_MAX: u32 = 1000;
/// Lists and arrays up to this long are compared item by item.
const HASH_MIN: usize = 9;

/// The value of `expr` over `row`.
pub fn eval(expr: &Expr, row: &[Value], ctx: &EvalContext<'_>) -> Result<Value> {
    let at = At { row, ctx, depth: 0 };
    at.eval(expr)
}

/// Whether a condition is true (NULL is not).
pub fn eval_predicate(expr: &Expr, row: &[Value], ctx: &EvalContext<'_>) -> Result<bool> {
    let at = At { row, ctx, depth: 0 };
    Ok(at.truth(expr)? == Some(true))
}

/// Where an evaluation stands: its row, its context and how deep it is.
#[derive(Clone, Copy)]
struct At<'a> {
    row: &'a [Value],
    ctx: &'a EvalContext<'a>,
    depth: u32,
}

/// Orders two non-NULL values of one type; the common integers without a call.
#[inline]
fn order(left: &Value, right: &Value, ty: impl FnOnce() -> Oid) -> Ordering {
    match (left, right) {
        (Value::Int4(left), Value::Int4(right)) => left.cmp(right),
        (Value::Int8(left), Value::Int8(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => {
            if ty() == oid::BPCHAR {
                left.trim_end_matches(' ').as_bytes().cmp(right.trim_end_matches(' ').as_bytes())
            } else {
                left.as_bytes().cmp(right.as_bytes())
            }
        }
        _ => compare(left, right),
    }
}

fn three_valued(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

fn too_deep() -> SqlError {
    SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .hint("Write the expression with less nesting.")
}

fn missing_column(column: usize) -> SqlError {
    SqlError::internal(format!("the row has no column {column}"))
}

impl<'a> At<'a> {
    /// One level down.
    #[inline]
    fn deeper(self) -> Result<At<'a>> {
        if self.depth >= DEPTH_MAX { Err(too_deep()) } else { Ok(At { depth: self.depth + 1, ..self }) }
    }

    /// The value in place where it stands somewhere, else computed into `slot`.
    #[inline]
    fn operand<'v>(self, expr: &'v Expr, slot: &'v mut Value) -> Result<&'v Value>
    where
        'a: 'v,
    {
        match expr {
            Expr::Column(column, _) => self.row.get(*column).ok_or_else(|| missing_column(*column)),
            Expr::Const(value, _) => Ok(value),
            Expr::Param(index, _) => self.param(*index),
            _ => {
                *slot = self.eval(expr)?;
                Ok(slot)
            }
        }
    }

    fn param(self, index: usize) -> Result<&'a Value> {
        self.ctx.params.get(index).ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${}", index + 1))
        })
    }

    /// A condition's value: `None` is unknown.
    #[inline]
    fn truth(self, expr: &Expr) -> Result<Option<bool>> {
        match expr {
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            _ => match self.eval(expr)? {
                Value::Bool(value) => Ok(Some(value)),
                Value::Null => Ok(None),
                other => Err(SqlError::internal(format!("a condition gave {other:?}"))),
            },
        }
    }

    #[inline]
    fn compare(self, op: CompareOp, left: &Expr, right: &Expr) -> Result<Option<bool>> {
        let at = self.deeper()?;
        let (mut left_slot, mut right_slot) = (Value::Null, Value::Null);
        let left_value = at.operand(left, &mut left_slot)?;
        if left_value.is_null() {
            return Ok(None);
        }
        let right_value = at.operand(right, &mut right_slot)?;
        if right_value.is_null() {
            return Ok(None);
        }
        Ok(Some(op.holds(order(left_value, right_value, || left.data_type().oid))))
    }

    fn eval(self, expr: &Expr) -> Result<Value> {
        let at = self.deeper()?;
        match expr {
            Expr::Column(column, _) => at.row.get(*column).cloned().ok_or_else(|| missing_column(*column)),
            Expr::Const(value, _) => Ok(value.clone()),
            Expr::Param(index, _) => at.param(*index).cloned(),
            Expr::Outer { depth, column, .. } => at.outer(*depth, *column),
            Expr::Call { function, args, ty } => at.call(function, args, *ty),
            Expr::Compare { op, left, right } => Ok(three_valued(at.compare(*op, left, right)?)),
            Expr::Cast { input, to, context } => {
                let value = at.eval(input)?;
                if value.is_null() {
                    Ok(Value::Null)
                } else {
                    // What the binder put in implicitly may be a weaker cast: CURRENT_DATE is one of now().
                    let context = (*context).max(CastContext::Assignment);
                    cast(value, input.data_type(), *to, context, at.ctx.style)
                }
            }
            Expr::And(items) => at.all(items),
            Expr::Or(items) => at.any(items),
            Expr::Not(input) => Ok(three_valued(at.truth(input)?.map(|value| !value))),
            Expr::IsNull { input, negated } => at.is_null(input, *negated),
            Expr::BoolTest { input, value, negated } => Ok(Value::Bool((at.truth(input)? == *value) != *negated)),
            Expr::IsDistinct { left, right, negated } => at.is_distinct(left, right, *negated),
            Expr::Case { whens, otherwise, .. } => at.case(whens, otherwise),
            Expr::Coalesce(items, _) => at.coalesce(items),
            Expr::Extreme { greatest, args, ty } => at.extreme(*greatest, args, *ty),
            Expr::InList { input, list, negated } => at.in_list(input, list, *negated),
            Expr::AnyArray { left, array, test, all } => at.any_array(left, array, test, *all),
            Expr::Array { items, nested, ty } => at.array(items, *nested, *ty),
            Expr::Row { fields, .. } => at.record(fields),
            Expr::CompareRows { op, pairs } => Ok(three_valued(at.compare_rows(*op, pairs)?)),
            Expr::Subscript { array, subscripts, .. } => at.subscript(array, subscripts),
            Expr::Slice { array, bounds, .. } => at.slice(array, bounds),
            Expr::Field { input, field, .. } => at.field(input, *field),
            Expr::Subquery { .. } | Expr::Checked { .. } => at.rare(expr),
        }
    }

    /// What is rare enough not to make the frame of `eval` larger, which deep expressions pay for.
    #[inline(never)]
    fn rare(self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::Subquery { kind, plan, ty } => self.subquery(kind, *plan, *ty),
            Expr::Checked { input, domain } => self.checked(input, domain),
            _ => Err(SqlError::internal("not a rare expression")),
        }
    }

    /// Errors: 23502, 23514 with the domain's names (PG-170).
    #[inline(never)]
    fn checked(self, input: &Expr, domain: &DomainChecks) -> Result<Value> {
        let value = self.eval(input)?;
        let named = |mut error: SqlError| {
            error.fields_mut().schema = Some(domain.schema.clone());
            error.fields_mut().data_type = Some(domain.name.clone());
            error
        };
        if domain.not_null && value.is_null() {
            let text = format!("domain {} does not allow null values", domain.name);
            return Err(named(SqlError::new(SqlState::NOT_NULL_VIOLATION, text)));
        }
        let row = [value];
        for (name, condition) in &domain.checks {
            let at = At { row: &row, ..self };
            if at.truth(condition)? == Some(false) {
                let text = format!("value for domain {} violates check constraint \"{name}\"", domain.name);
                let mut error = named(SqlError::new(SqlState::CHECK_VIOLATION, text));
                error.fields_mut().constraint = Some(name.clone());
                return Err(error);
            }
        }
        let [value] = row;
        Ok(value)
    }

    #[inline(never)]
    fn outer(self, depth: usize, column: usize) -> Result<Value> {
        let mut outer = self.ctx.outer;
        for _ in 1..depth {
            outer = outer.and_then(|row| row.parent);
        }
        outer.and_then(|row| row.row.get(column)).cloned().ok_or_else(|| missing_column(column))
    }

    #[inline(never)]
    fn call(self, function: &'static super::Function, args: &[Expr], ty: DataType) -> Result<Value> {
        let FunctionBody::Scalar(body) = function.body else {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "set-valued function called in context that cannot accept a set",
            ));
        };
        if args.len() <= 4 {
            let mut values = [const { Value::Null }; 4];
            let mut types = [DataType::UNKNOWN; 4];
            for (index, arg) in args.iter().enumerate() {
                values[index] = self.eval(arg)?;
                if function.strict && values[index].is_null() {
                    return Ok(Value::Null);
                }
                types[index] = arg.data_type();
            }
            let (args, arg_types) = (&values[..args.len()], &types[..args.len()]);
            return body(&Call { ctx: self.ctx, args, arg_types, result: ty });
        }
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let value = self.eval(arg)?;
            if function.strict && value.is_null() {
                return Ok(Value::Null);
            }
            values.push(value);
        }
        let types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
        body(&Call { ctx: self.ctx, args: &values, arg_types: &types, result: ty })
    }

    fn all(self, items: &[Expr]) -> Result<Value> {
        let mut unknown = false;
        for item in items {
            match self.truth(item)? {
                Some(true) => {}
                Some(false) => return Ok(Value::Bool(false)),
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(true) })
    }

    fn any(self, items: &[Expr]) -> Result<Value> {
        let mut unknown = false;
        for item in items {
            match self.truth(item)? {
                Some(true) => return Ok(Value::Bool(true)),
                Some(false) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(false) })
    }

    #[inline(never)]
    fn is_null(self, input: &Expr, negated: bool) -> Result<Value> {
        let mut slot = Value::Null;
        Ok(Value::Bool(match self.operand(input, &mut slot)? {
            Value::Record(record) => record.fields.iter().all(|(_, _, value)| value.is_null() != negated),
            value => value.is_null() != negated,
        }))
    }

    #[inline(never)]
    fn is_distinct(self, left: &Expr, right: &Expr, negated: bool) -> Result<Value> {
        let (mut left_slot, mut right_slot) = (Value::Null, Value::Null);
        let left_value = self.operand(left, &mut left_slot)?;
        let right_value = self.operand(right, &mut right_slot)?;
        let distinct = match (left_value.is_null(), right_value.is_null()) {
            (true, true) => false,
            (false, false) => order(left_value, right_value, || left.data_type().oid) != Ordering::Equal,
            _ => true,
        };
        Ok(Value::Bool(distinct != negated))
    }

    fn case(self, whens: &[(Expr, Expr)], otherwise: &Expr) -> Result<Value> {
        for (condition, result) in whens {
            if self.truth(condition)? == Some(true) {
                return self.eval(result);
            }
        }
        self.eval(otherwise)
    }

    fn coalesce(self, items: &[Expr]) -> Result<Value> {
        for item in items {
            let value = self.eval(item)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        Ok(Value::Null)
    }

    #[inline(never)]
    fn extreme(self, greatest: bool, args: &[Expr], ty: DataType) -> Result<Value> {
        let wanted = if greatest { Ordering::Greater } else { Ordering::Less };
        let mut best = Value::Null;
        for arg in args {
            let value = self.eval(arg)?;
            if !value.is_null() && (best.is_null() || order(&value, &best, || ty.oid) == wanted) {
                best = value;
            }
        }
        Ok(best)
    }

    #[inline(never)]
    fn in_list(self, input: &Expr, list: &Arc<Vec<Expr>>, negated: bool) -> Result<Value> {
        let mut slot = Value::Null;
        let value = self.operand(input, &mut slot)?;
        if value.is_null() {
            return Ok(if list.is_empty() { Value::Bool(negated) } else { Value::Null });
        }
        let bpchar = input.data_type().oid == oid::BPCHAR;
        if list.len() >= HASH_MIN
            && let Some(set) = list_set(list, bpchar)
        {
            return Ok(three_valued(set.contains(value).map(|found| found != negated)));
        }
        let mut unknown = false;
        for item in list.iter() {
            let mut slot = Value::Null;
            let item = self.operand(item, &mut slot)?;
            if item.is_null() {
                unknown = true;
            } else if order(value, item, || input.data_type().oid) == Ordering::Equal {
                return Ok(Value::Bool(!negated));
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(negated) })
    }

    #[inline(never)]
    fn any_array(self, left: &Expr, array: &Expr, test: &Expr, all: bool) -> Result<Value> {
        let mut slot = Value::Null;
        let items = match self.operand(array, &mut slot)? {
            Value::Array(items) => items,
            Value::Null => return Ok(Value::Null),
            other => return Err(SqlError::internal(format!("ANY over {other:?}"))),
        };
        let left_value = self.eval(left)?;
        if !all
            && items.items.len() >= HASH_MIN
            && !left_value.is_null()
            && let Expr::Compare { op: CompareOp::Equal, left: l, right: r } = test
            && matches!((&**l, &**r), (Expr::Column(0, _), Expr::Column(1, _)))
        {
            let set = array_set(items, l.data_type().oid == oid::BPCHAR);
            return Ok(three_valued(set.contains(&left_value)));
        }
        let mut pair = [left_value, Value::Null];
        let mut unknown = false;
        for item in &items.items {
            pair[1] = item.clone();
            let at = At { row: &pair, ctx: self.ctx, depth: self.depth };
            match at.truth(test)? {
                Some(value) if value != all => return Ok(Value::Bool(value)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(all) })
    }

    #[inline(never)]
    fn array(self, items: &[Expr], nested: bool, ty: DataType) -> Result<Value> {
        let element =
            element_of(ty.oid).or_else(|| items.first().map(|item| item.data_type().oid)).unwrap_or(oid::UNKNOWN);
        let values = items.iter().map(|item| self.eval(item)).collect::<Result<Vec<Value>>>()?;
        build_array(element, values, nested)
    }

    #[inline(never)]
    fn record(self, fields: &[(Arc<str>, Expr)]) -> Result<Value> {
        let fields = fields
            .iter()
            .map(|(name, expr)| Ok((Arc::clone(name), expr.data_type(), self.eval(expr)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Value::Record(Arc::new(Record { fields })))
    }

    #[inline(never)]
    fn compare_rows(self, op: CompareOp, pairs: &[(Expr, Expr)]) -> Result<Option<bool>> {
        let mut unknown = false;
        for (left, right) in pairs {
            let (mut left_slot, mut right_slot) = (Value::Null, Value::Null);
            let left_value = self.operand(left, &mut left_slot)?;
            let right_value = self.operand(right, &mut right_slot)?;
            let null = left_value.is_null() || right_value.is_null();
            match op {
                // Equality looks at all pairs: one that differs decides even past an unknown one.
                CompareOp::Equal | CompareOp::NotEqual if null => unknown = true,
                _ if null => return Ok(None),
                _ => match order(left_value, right_value, || left.data_type().oid) {
                    Ordering::Equal => {}
                    ordering => return Ok(Some(op.holds(ordering))),
                },
            }
        }
        Ok(if unknown { None } else { Some(op.holds(Ordering::Equal)) })
    }

    /// The integers of subscripts; `None` if one is NULL.
    fn index(self, expr: &Expr) -> Result<Option<i64>> {
        let mut slot = Value::Null;
        let value = self.operand(expr, &mut slot)?;
        match value.as_i64() {
            Some(index) => Ok(Some(index)),
            None if value.is_null() => Ok(None),
            None => Err(SqlError::internal(format!("a subscript gave {value:?}"))),
        }
    }

    #[inline(never)]
    fn subscript(self, array: &Expr, subscripts: &[Expr]) -> Result<Value> {
        let mut slot = Value::Null;
        let array = match self.operand(array, &mut slot)? {
            Value::Array(array) => array,
            Value::Null => return Ok(Value::Null),
            other => return Err(SqlError::internal(format!("a subscript of {other:?}"))),
        };
        let mut offset: i64 = 0;
        let mut inside = array.dims.len() == subscripts.len();
        for (place, subscript) in subscripts.iter().enumerate() {
            let Some(index) = self.index(subscript)? else { return Ok(Value::Null) };
            let Some((length, lower)) = array.dims.get(place) else { continue };
            let step = index - i64::from(*lower);
            inside &= (0..i64::from(*length)).contains(&step);
            offset = offset.saturating_mul(i64::from(*length)).saturating_add(step);
        }
        if !inside {
            return Ok(Value::Null);
        }
        Ok(usize::try_from(offset).ok().and_then(|offset| array.items.get(offset)).cloned().unwrap_or_default())
    }

    #[inline(never)]
    fn slice(self, array: &Expr, bounds: &[(Option<Expr>, Option<Expr>)]) -> Result<Value> {
        let mut slot = Value::Null;
        let array = match self.operand(array, &mut slot)? {
            Value::Array(array) => array,
            Value::Null => return Ok(Value::Null),
            other => return Err(SqlError::internal(format!("a slice of {other:?}"))),
        };
        let mut ranges = Vec::with_capacity(bounds.len());
        for (place, (lower, upper)) in bounds.iter().enumerate() {
            let (length, first) = array.dims.get(place).map_or((0, 1), |(l, f)| (i64::from(*l), i64::from(*f)));
            let low = match lower {
                Some(expr) => match self.index(expr)? {
                    Some(low) => low,
                    None => return Ok(Value::Null),
                },
                None => first,
            };
            let high = match upper {
                Some(expr) => match self.index(expr)? {
                    Some(high) => high,
                    None => return Ok(Value::Null),
                },
                None => first + length - 1,
            };
            ranges.push((low.max(first) - first, high.min(first + length - 1) - first));
        }
        Ok(Value::Array(Arc::new(cut(array, &ranges))))
    }

    #[inline(never)]
    fn field(self, input: &Expr, field: usize) -> Result<Value> {
        let mut slot = Value::Null;
        match self.operand(input, &mut slot)? {
            Value::Record(record) => record
                .fields
                .get(field)
                .map(|(_, _, value)| value.clone())
                .ok_or_else(|| SqlError::internal(format!("the record has no field {field}"))),
            Value::Null => Ok(Value::Null),
            other => Err(SqlError::internal(format!("a field of {other:?}"))),
        }
    }

    #[inline(never)]
    fn subquery(self, kind: &SubqueryKind, plan: SubplanId, ty: DataType) -> Result<Value> {
        let runtime = self.ctx.runtime;
        match kind {
            SubqueryKind::Scalar => {
                let rows = runtime.subquery(plan, self.ctx, self.row, 2)?;
                one_row(&rows)?;
                Ok(rows.first().and_then(|row| row.first()).cloned().unwrap_or_default())
            }
            SubqueryKind::Row => {
                let rows = runtime.subquery(plan, self.ctx, self.row, 2)?;
                one_row(&rows)?;
                Ok(rows.first().map_or(Value::Null, |row| {
                    let fields = row.iter().map(|value| (Arc::from(""), DataType::UNKNOWN, value.clone())).collect();
                    Value::Record(Arc::new(Record { fields }))
                }))
            }
            SubqueryKind::Exists => {
                let rows = runtime.subquery(plan, self.ctx, self.row, 1)?;
                Ok(Value::Bool(!rows.is_empty()))
            }
            SubqueryKind::Array => runtime.subquery_array(plan, self.ctx, self.row, &|rows| {
                let items: Vec<Value> = rows.iter().map(|row| row.first().cloned().unwrap_or_default()).collect();
                let nested = items.iter().any(|item| matches!(item, Value::Array(_)));
                build_array(element_of(ty.oid).unwrap_or(oid::UNKNOWN), items, nested)
            }),
            SubqueryKind::Quantified { left, test, all, hashable } => {
                let mut values = left.iter().map(|expr| self.eval(expr)).collect::<Result<Vec<Value>>>()?;
                if *hashable
                    && !*all
                    && let Some(found) = runtime.hashed_any(plan, kind, self.ctx, self.row, &values)?
                {
                    return Ok(three_valued(found));
                }
                let rows = runtime.subquery(plan, self.ctx, self.row, usize::MAX)?;
                let width = values.len();
                let mut unknown = false;
                for row in rows.iter() {
                    values.truncate(width);
                    values.extend_from_slice(row);
                    let at = At { row: &values, ctx: self.ctx, depth: self.depth };
                    match at.truth(test)? {
                        Some(value) if value != *all => return Ok(Value::Bool(value)),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                Ok(if unknown { Value::Null } else { Value::Bool(*all) })
            }
        }
    }
}

fn one_row(rows: &[Vec<Value>]) -> Result<()> {
    if rows.len() <= 1 {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::CARDINALITY_VIOLATION,
        "more than one row returned by a subquery used as an expression",
    ))
}

/// An array of values; with `nested` they are arrays that become a further dimension.
pub(crate) fn build_array(element: Oid, values: Vec<Value>, nested: bool) -> Result<Value> {
    if !nested {
        return Ok(Value::Array(Arc::new(Array::one_dimensional(element, values))));
    }
    let mismatch = || {
        SqlError::new(
            SqlState::ARRAY_SUBSCRIPT_ERROR,
            "multidimensional arrays must have array expressions with matching dimensions",
        )
    };
    let count = i32::try_from(values.len()).map_err(|_| mismatch())?;
    let (mut dims, mut items, mut empty) = (None, Vec::new(), false);
    for value in values {
        match value {
            Value::Array(inner) if !inner.dims.is_empty() => {
                if dims.as_ref().is_some_and(|dims| *dims != inner.dims) {
                    return Err(mismatch());
                }
                items.extend_from_slice(&inner.items);
                dims = Some(inner.dims.clone());
            }
            _ => empty = true,
        }
    }
    let Some(inner) = dims else {
        return Ok(Value::Array(Arc::new(Array { element, dims: Vec::new(), items: Vec::new() })));
    };
    if empty {
        return Err(mismatch());
    }
    if inner.len() >= 6 {
        return Err(SqlError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("number of array dimensions ({}) exceeds the maximum allowed (6)", inner.len() + 1),
        ));
    }
    let mut dims = vec![(count, 1)];
    dims.extend(inner);
    Ok(Value::Array(Arc::new(Array { element, dims, items })))
}

/// The part of an array within 0-based inclusive ranges, one per leading dimension; lower bounds become 1.
fn cut(array: &Array, ranges: &[(i64, i64)]) -> Array {
    let empty = Array { element: array.element, dims: Vec::new(), items: Vec::new() };
    if ranges.len() > array.dims.len() || ranges.iter().any(|(low, high)| low > high) || array.dims.is_empty() {
        return empty;
    }
    let whole = |place: usize| (0, i64::from(array.dims[place].0) - 1);
    let ranges: Vec<(i64, i64)> =
        (0..array.dims.len()).map(|place| ranges.get(place).copied().unwrap_or_else(|| whole(place))).collect();
    let mut offsets = vec![0i64];
    for ((length, _), (low, high)) in array.dims.iter().zip(&ranges) {
        offsets = offsets
            .iter()
            .flat_map(|offset| (*low..=*high).map(move |index| offset * i64::from(*length) + index))
            .collect();
    }
    let items = offsets
        .into_iter()
        .map(|offset| usize::try_from(offset).ok().and_then(|offset| array.items.get(offset)).cloned())
        .map(Option::unwrap_or_default)
        .collect();
    let dims = ranges.iter().map(|(low, high)| (i32::try_from(high - low + 1).unwrap_or(i32::MAX), 1)).collect();
    Array { element: array.element, dims, items }
}

/// Orders two non-NULL values of the (possibly different) types of a comparison operator.
#[must_use]
pub fn compare_values(left: &Value, right: &Value, ty: Oid, ctx: &EvalContext<'_>) -> Ordering {
    compare_across(left, right, ty, &ctx.style.time_zone)
}
