//! The lists `target = expression` of views (AMI-98): parsed, their target columns found, their expressions compiled over
//! the rows of one source or of two; and how one is evaluated.

use std::borrow::Cow;

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, Identity, Reserved, TableDef, TriggerDef, TypeDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value};

use super::op::group::Function;
use crate::kind::required;
use crate::script::Limits;
use crate::script::ami::{
    Code, Event, Expr, Frame, Scope, Type, Val, as_label, assignments, expression, find_column, to_column, walk,
};

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
        refuse_filled(target, place)?;
        out.push((place, expr));
    }
    Ok(out)
}

/// 428C9: the column makes its own values, a trigger's would be lost.
fn refuse_filled(target: &TableDef, place: usize) -> Result<()> {
    let column = &target.columns[place];
    let own = column.generated.is_some() || column.identity == Some(Identity::Always);
    if !own && !target.reserved(place).is_some_and(Reserved::is_server_filled) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::GENERATED_ALWAYS,
        format!("column \"{}\" of table \"{}\" makes its own values", column.name, target.name),
    ))
}

/// How an expression's value becomes one of a target column.
#[derive(Clone, Debug)]
pub(crate) enum Cast {
    /// It is one: the expression is a column of the same type.
    Same,
    /// By AMI's cast, then the column's own rules (AMI-32).
    To(DataType),
    /// A label of this enum by its text; null if it has none.
    Enum(Arc<TypeDef>),
}

impl Cast {
    /// For a column of type `to`. `from`: the column that the expression is, if it is one.
    pub(crate) fn new(catalog: &Catalog, from: Option<DataType>, to: DataType) -> Cast {
        match catalog.user_type(to.oid) {
            _ if from == Some(to) => Cast::Same,
            Some(def) if tripline_sql::types::is_enum(to.oid) => Cast::Enum(def.clone()),
            _ => Cast::To(to),
        }
    }

    /// The value as the column takes it. Errors: those of an assignment cast.
    pub(crate) fn apply(&self, value: Value) -> Result<Value> {
        match self {
            Cast::Same => Ok(value),
            Cast::To(ty) => to_column(value, *ty),
            Cast::Enum(def) => Ok(as_label(def, &value)),
        }
    }
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
    refuse_session(expr)?;
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
    refuse_session(expr)?;
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

/// Refuses functions whose value does not follow from the row: what a row gave could not be taken back. Errors: 0A000.
fn refuse_session(expr: &Expr) -> Result<()> {
    let mut found = None;
    walk(expr, &mut |part| {
        if let Expr::Call(name, ..) = part
            && ["timestamp", "rand"].iter().any(|own| name.eq_ignore_ascii_case(own))
        {
            found = Some(name.clone());
        }
    });
    match found {
        Some(name) => Err(SqlError::unsupported(format!("function \"{name}\" in an expression of a derived table"))),
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
    frame.eval(code)?.into_sql()
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
