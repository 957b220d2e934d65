//! The lists `target = expression` of views (AMI-98): parsed, their target columns found, their expressions compiled over
//! the rows of one source or of two; and how one is evaluated.

use std::borrow::Cow;

use tripline_sql::catalog::{TableDef, TriggerDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::op::group::Function;
use crate::kind::required;
use crate::script::Limits;
use crate::script::ami::{Code, Event, Expr, Frame, Scope, Type, Val, assignments, expression, find_column, walk};

/// An item of a list: the target column's place and the expression.
pub(crate) type Item = (usize, Expr);

/// Parses an option as a list over a target. Errors: 42601, 42703 no such column, 42701 assigned twice.
pub(crate) fn list(def: &TriggerDef, option: &str, target: &TableDef, taken: &mut Vec<usize>) -> Result<Vec<Item>> {
    let items = open_list(def, option, target)?;
    for (place, _) in &items {
        if taken.contains(place) {
            return Err(assigned_twice(target, *place));
        }
        taken.push(*place);
    }
    Ok(items)
}

/// Parses an option as a list over a target whose columns may stand more than once in it. Errors: 42601, 42703.
pub(crate) fn open_list(def: &TriggerDef, option: &str, target: &TableDef) -> Result<Vec<Item>> {
    let mut out = Vec::new();
    for (name, expr) in assignments(required(def, option)?).map_err(|error| in_option(option, error))? {
        let place = find_column(target, &name).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", target.name),
            )
        })?;
        out.push((place, expr));
    }
    Ok(out)
}

/// 42701: assigned twice.
pub(crate) fn assigned_twice(target: &TableDef, place: usize) -> SqlError {
    SqlError::new(
        SqlState::DUPLICATE_COLUMN,
        format!("column \"{}\" is assigned more than once", target.columns[place].name),
    )
}

/// Names the option in a message.
pub(crate) fn in_option(option: &str, mut error: SqlError) -> SqlError {
    // What is not supported is so in every option.
    if error.state() == SqlState::FEATURE_NOT_SUPPORTED {
        return error;
    }
    let message = format!("{option}: {}", error.message());
    error.fields_mut().message = message;
    error
}

/// Compiles an expression over rows of a table.
pub(crate) fn over_row(expr: &Expr, table: &TableDef) -> Result<(Code, Type)> {
    let scope = Scope { table: Some(table), event: Event::Inserted, ..Scope::EMPTY };
    expression(expr, scope).map_err(|error| {
        if error.state() != SqlState::UNDEFINED_COLUMN {
            return error;
        }
        let message = error.message().replace("variable", "column");
        SqlError::new(SqlState::UNDEFINED_COLUMN, message)
    })
}

/// A column that an expression names: its table, if written, and its name.
pub(crate) struct Named {
    /// `table.column`
    pub(crate) table: Option<String>,
    /// The column as written.
    pub(crate) column: String,
}

impl Named {
    /// Of an expression that is a column.
    pub(crate) fn of(expr: &Expr) -> Option<Named> {
        match expr {
            Expr::Name(name, _) => Some(Named { table: None, column: name.clone() }),
            Expr::Field(base, name, _) => match &**base {
                Expr::Name(table, _) => Some(Named { table: Some(table.clone()), column: name.clone() }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The columns that an expression names.
pub(crate) fn columns_of(expr: &Expr) -> Result<Vec<Named>> {
    let mut out = Vec::new();
    replace(expr, &mut |part| {
        let named = Named::of(part);
        let found = named.is_some();
        out.extend(named);
        Ok(found.then(|| part.clone()))
    })?;
    Ok(out)
}

/// 42703.
pub(crate) fn no_column(name: &str) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
}

/// A column of a view's expressions: its number among the columns used, how it is read, its type.
pub(crate) type Place = (usize, Code, Type);

/// Compiles an expression whose columns `find` gives; adds their numbers to `used`. Errors: those of `find` and of the
/// compiler.
pub(crate) fn over_slots(
    expr: &Expr,
    used: &mut Vec<usize>,
    find: &mut dyn FnMut(&Named) -> Result<Place>,
) -> Result<(Code, Type)> {
    let mut outer: Vec<(String, Code, Type)> = Vec::new();
    let renamed = replace(expr, &mut |part| {
        let Some(named) = Named::of(part) else { return Ok(None) };
        let (number, code, ty) = find(&named)?;
        // No column can have this name.
        let name = format!("\u{1}{number}");
        if !outer.iter().any(|(other, ..)| *other == name) {
            outer.push((name.clone(), code, ty));
            if !used.contains(&number) {
                used.push(number);
            }
        }
        Ok(Some(Expr::Name(name, 0)))
    })?;
    expression(&renamed, Scope { outer: &outer, ..Scope::EMPTY })
}

/// Refuses aggregate functions. Errors: 42803.
pub(crate) fn refuse_aggregates(expr: &Expr) -> Result<()> {
    let mut found = None;
    walk(expr, &mut |part| {
        if let Expr::Call(name, ..) = part
            && Function::by_name(name, Type::Object).is_some()
        {
            found = Some(name.clone());
        }
    });
    match found {
        Some(name) => Err(SqlError::new(SqlState::GROUPING_ERROR, format!("aggregate \"{name}\" cannot stand here"))),
        None => Ok(()),
    }
}

/// A row of nulls.
pub(crate) fn nulls(width: usize) -> Row {
    std::iter::repeat_with(|| Value::Null).take(width).collect()
}

/// Whether a condition holds over slots: null is false (AMI-27).
pub(crate) fn holds(code: &Code, slots: &[Value], locals: &mut Vec<Val>) -> Result<bool> {
    let mut frame = Frame::new(locals, Limits::AMI);
    frame.slots = slots;
    Ok(frame.eval(code)?.truth())
}

/// The value of an expression over a row; plain columns are read where they lie.
pub(crate) fn value(code: &Code, row: &[Value], slots: &[Value], locals: &mut Vec<Val>) -> Result<Value> {
    match code {
        Code::Column(_, place) => return Ok(row.get(usize::from(*place)).cloned().unwrap_or(Value::Null)),
        Code::Slot(slot) => return Ok(slots.get(*slot).cloned().unwrap_or(Value::Null)),
        Code::Const(value) => return Ok(value.clone()),
        _ => {}
    }
    let mut frame = Frame::new(locals, Limits::AMI);
    frame.new = Cow::Borrowed(row);
    frame.slots = slots;
    Ok(frame.eval(code)?.into_sql())
}

/// Rebuilds an expression bottom up from what `f` makes of its outermost parts: where it gives something, that stands
/// for the whole part; else the part's own parts are asked. Errors: 0A000 for forms that views do not take.
pub(crate) fn replace(expr: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Option<Expr>>) -> Result<Expr> {
    if let Some(new) = f(expr)? {
        return Ok(new);
    }
    let mut boxed = |expr: &Expr| replace(expr, f).map(Box::new);
    Ok(match expr {
        Expr::Literal(_) | Expr::Name(..) | Expr::Slot(_) | Expr::Field(..) | Expr::Star => expr.clone(),
        Expr::Unary(op, a) => Expr::Unary(*op, boxed(a)?),
        Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a)?, boxed(b)?),
        Expr::Cond(a, b, c) => Expr::Cond(boxed(a)?, boxed(b)?, boxed(c)?),
        Expr::Cast(ty, a) => Expr::Cast(*ty, boxed(a)?),
        Expr::Index(a, b) => Expr::Index(boxed(a)?, boxed(b)?),
        Expr::Call(name, args, line) => Expr::Call(name.clone(), all(args, f)?, *line),
        Expr::Method(target, name, args, line) => {
            let target = boxed(target)?;
            Expr::Method(target, name.clone(), all(args, f)?, *line)
        }
        Expr::In(a, list, not) => {
            let a = boxed(a)?;
            Expr::In(a, all(list, f)?, *not)
        }
        _ => return Err(SqlError::unsupported("this form of expression in a view")),
    })
}

fn all(list: &[Expr], f: &mut dyn FnMut(&Expr) -> Result<Option<Expr>>) -> Result<Vec<Expr>> {
    list.iter().map(|expr| replace(expr, f)).collect()
}

/// The expression without its line numbers, names in the spelling of the table, to be compared.
pub(crate) fn normal(expr: &Expr, table: &TableDef) -> Result<Expr> {
    replace(expr, &mut |part| {
        Ok(match part {
            Expr::Name(name, _) => Some(Expr::Name(spelling(table, name), 0)),
            Expr::Field(base, name, _) => match &**base {
                Expr::Name(of, _) if of.eq_ignore_ascii_case(&table.name) => Some(Expr::Name(spelling(table, name), 0)),
                _ => None,
            },
            Expr::Call(name, args, line) if *line != 0 => {
                Some(normal(&Expr::Call(name.clone(), args.clone(), 0), table)?)
            }
            Expr::Method(target, name, args, line) if *line != 0 => {
                Some(normal(&Expr::Method(target.clone(), name.clone(), args.clone(), 0), table)?)
            }
            _ => None,
        })
    })
}

fn spelling(table: &TableDef, name: &str) -> String {
    find_column(table, name).map_or_else(|| name.to_owned(), |place| table.columns[place].name.clone())
}
