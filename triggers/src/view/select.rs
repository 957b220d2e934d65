//! The lists `target = expression` of views (AMI-98): parsed, their target columns found, their expressions compiled over
//! source rows; and how one is evaluated.

use std::borrow::Cow;

use tripline_sql::catalog::{TableDef, TriggerDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::Value;

use crate::kind::required;
use crate::script::Limits;
use crate::script::ami::{Code, Event, Expr, Frame, Scope, Type, Val, assignments, expression, find_column};

/// An item of a list: the target column's place and the expression.
pub(crate) type Item = (usize, Expr);

/// Parses an option as a list over a target. Errors: 42601, 42703 no such column, 42701 assigned twice.
pub(crate) fn list(def: &TriggerDef, option: &str, target: &TableDef, taken: &mut Vec<usize>) -> Result<Vec<Item>> {
    let mut out = Vec::new();
    for (name, expr) in assignments(required(def, option)?).map_err(|error| in_option(option, error))? {
        let place = find_column(target, &name).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", target.name),
            )
        })?;
        if taken.contains(&place) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" is assigned more than once"),
            ));
        }
        taken.push(place);
        out.push((place, expr));
    }
    Ok(out)
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
