//! Rows that functions and catalog relations compute, and set-returning columns.

use super::{Cx, State};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{Call, Expr, FunctionBody};
use crate::plan::{Node, ProjectColumn, SetCall};
use crate::types::{Row, Value, oid};

/// Rows of one call.
pub(super) fn call(call: &SetCall, row: &[Value], cx: &Cx<'_>) -> Result<Vec<Row>> {
    let args = cx.eval_all(&call.args, row)?;
    if call.function.strict && args.iter().any(Value::is_null) {
        return Ok(match call.function.body {
            FunctionBody::Scalar(_) => vec![vec![Value::Null]],
            FunctionBody::Set(_) => Vec::new(),
        });
    }
    let arg_types: Vec<_> = call.args.iter().map(Expr::data_type).collect();
    let result = call.columns.first().copied().unwrap_or(crate::types::DataType::VOID);
    let context = Call { ctx: &cx.eval, args: &args, arg_types: &arg_types, result };
    match call.function.body {
        FunctionBody::Scalar(code) => Ok(vec![vec![code(&context)?]]),
        FunctionBody::Set(code) => code(&context),
    }
}

/// Rows of a FunctionScan or SystemScan.
pub(super) fn computed_rows(node: &Node, cx: &Cx<'_>) -> Result<Vec<Row>> {
    match node {
        Node::FunctionScan { calls, ordinality } => {
            let mut parts = Vec::with_capacity(calls.len());
            for one in calls {
                let rows = call(one, &[], cx)?;
                parts.push((if one_field(one) { fields_of(rows) } else { rows }, one.columns.len()));
            }
            let count = parts.iter().map(|(rows, _)| rows.len()).max().unwrap_or(0);
            if let ([(rows, width)], false) = (parts.as_mut_slice(), *ordinality) {
                let width = *width;
                return Ok(std::mem::take(rows).into_iter().map(|row| spread(row, width)).collect());
            }
            let mut iters: Vec<_> = parts.into_iter().map(|(rows, width)| (rows.into_iter(), width)).collect();
            let mut out = Vec::with_capacity(count);
            for number in 0..count {
                let mut row = Row::new();
                for (rows, width) in &mut iters {
                    match rows.next() {
                        Some(part) => row.extend(spread(part, *width)),
                        None => row.extend(std::iter::repeat_n(Value::Null, *width)),
                    }
                }
                if *ordinality {
                    row.push(Value::Int8(i64::try_from(number).unwrap_or(i64::MAX).saturating_add(1)));
                }
                out.push(row);
            }
            Ok(out)
        }
        Node::SystemScan { relation, keys, filter, .. } => {
            let mut values = Vec::with_capacity(keys.len());
            for (column, expr) in keys {
                values.push((*column, cx.eval(expr, &[])?));
            }
            let rows = (relation.rows)(cx.exec, &values)?;
            let Some(filter) = filter else { return Ok(rows) };
            let mut kept = Vec::new();
            for row in rows {
                if cx.test(filter, &row)? {
                    kept.push(row);
                }
            }
            Ok(kept)
        }
        _ => Err(SqlError::internal("not a computed node")),
    }
}

/// Whether the call's only column is a field of the record that it gives (`AS x(a int)`).
fn one_field(call: &SetCall) -> bool {
    let [column] = call.columns.as_slice() else { return false };
    let record = call.function.result == oid::RECORD || call.function.name.contains("populate_record");
    record && call.function.columns.is_empty() && column.oid != oid::RECORD
}

fn fields_of(rows: Vec<Row>) -> Vec<Row> {
    let field = |row: Row| match row.as_slice() {
        [Value::Record(record)] => record.fields.iter().map(|(_, _, value)| value.clone()).collect(),
        _ => row,
    };
    rows.into_iter().map(field).collect()
}

/// Whether the calls are one generate_series over integers, whose rows need not be held at once.
pub(super) fn is_integer_series(calls: &[SetCall]) -> bool {
    matches!(calls, [one] if one.function.name == "generate_series"
        && matches!(one.function.args.first(), Some(&(oid::INT4 | oid::INT8))))
}

/// Place in a generate_series over integers.
#[derive(Debug, Default)]
pub struct Series {
    begun: bool,
    /// Next value, last one, step.
    left: Option<(i64, i64, i64)>,
}

impl Series {
    pub(super) fn next(&mut self, calls: &[SetCall], cx: &Cx<'_>) -> Result<Option<Row>> {
        let [one] = calls else { return Err(SqlError::internal("not a series")) };
        if !self.begun {
            self.begun = true;
            let args = cx.eval_all(&one.args, &[])?;
            let numbers: Option<Vec<i64>> = args.iter().map(Value::as_i64).collect();
            self.left = match numbers.as_deref() {
                Some([start, stop]) => Some((*start, *stop, 1)),
                Some([_, _, 0]) => return call(one, &[], cx).map(|_| None),
                Some([start, stop, step]) => Some((*start, *stop, *step)),
                _ => None,
            };
        }
        let Some((at, stop, step)) = self.left else { return Ok(None) };
        if if step > 0 { at > stop } else { at < stop } {
            self.left = None;
            return Ok(None);
        }
        self.left = at.checked_add(step).map(|next| (next, stop, step));
        cx.exec.tick()?;
        Ok(Some(vec![match i32::try_from(at) {
            Ok(small) if one.function.result == oid::INT4 => Value::Int4(small),
            _ => Value::Int8(at),
        }]))
    }
}

/// A record where several columns are expected becomes its fields.
fn spread(mut row: Row, width: usize) -> Row {
    if row.len() == 1 && width > 1 {
        if let Some(Value::Record(record)) = row.first() {
            row = record.fields.iter().map(|(_, _, value)| value.clone()).collect();
        }
    }
    row.resize(width.max(row.len()), Value::Null);
    row
}

/// State of a ProjectSet.
pub struct ProjectSetState {
    input: State,
    /// The input row and, per column, its values (a scalar has none) …
    current: Option<(Vec<Column>, usize, usize)>,
}

enum Column {
    Scalar(Value),
    Set(Vec<Value>),
}

impl ProjectSetState {
    pub(super) fn new(input: &Node) -> ProjectSetState {
        ProjectSetState { input: State::new(input), current: None }
    }

    pub(super) fn input(&mut self) -> &mut State {
        &mut self.input
    }

    pub(super) fn next(&mut self, input: &Node, exprs: &[ProjectColumn], cx: &Cx<'_>) -> Result<Option<Row>> {
        loop {
            if let Some((columns, at, count)) = &mut self.current {
                if *at < *count {
                    let row = columns
                        .iter()
                        .map(|column| match column {
                            Column::Scalar(value) => value.clone(),
                            Column::Set(values) => values.get(*at).cloned().unwrap_or(Value::Null),
                        })
                        .collect();
                    *at += 1;
                    cx.exec.tick()?;
                    return Ok(Some(row));
                }
                self.current = None;
            }
            let Some(row) = self.input.next(input, cx)? else { return Ok(None) };
            let mut columns = Vec::with_capacity(exprs.len());
            let mut count = 0;
            for expr in exprs {
                columns.push(match expr {
                    ProjectColumn::Scalar(expr) => Column::Scalar(cx.eval(expr, &row)?),
                    ProjectColumn::Set(one) => {
                        let rows = call(one, &row, cx)?;
                        count = count.max(rows.len());
                        Column::Set(rows.into_iter().map(|row| single(row, one)).collect::<Result<_>>()?)
                    }
                });
            }
            self.current = Some((columns, 0, count));
        }
    }
}

/// A set call in a select list is one value: several columns become a record.
fn single(mut row: Row, call: &SetCall) -> Result<Value> {
    if row.len() == 1 {
        return Ok(row.remove(0));
    }
    if row.is_empty() {
        return Err(SqlError::new(SqlState::INTERNAL_ERROR, "set-returning function gave no column"));
    }
    let fields = row
        .into_iter()
        .enumerate()
        .map(|(place, value)| {
            let (name, ty) = match call.function.columns.get(place) {
                Some((name, oid)) => (*name, crate::types::DataType::new(*oid)),
                None => ("", call.columns.get(place).copied().unwrap_or(crate::types::DataType::TEXT)),
            };
            (std::sync::Arc::from(name), ty, value)
        })
        .collect();
    Ok(Value::Record(std::sync::Arc::new(crate::types::Record { fields })))
}
