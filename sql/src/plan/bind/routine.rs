//! Calls of functions that users made in SQL: which one is meant, and the expression or the rows that it becomes.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::{Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::coerce::type_of;
use super::{Binder, Clause, SET_MARK, bind_default};
use crate::catalog::{FunctionDef, FunctionKind, Privilege, SQL_FUNCTIONS};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{Call, Expr, Function, FunctionBody, Volatility, resolve_function};
use crate::plan::SetCall;
use crate::types::{CastContext, DataType, Oid, Row, Value, oid, shown_type};

/// What a call becomes; its first arguments are the function's OID and name. In no table of functions: only the binder
/// makes them.
static VALUE: Function = function(Volatility::Volatile, FunctionBody::Scalar(value));
/// The same for one that is STABLE or IMMUTABLE.
static STABLE: Function = function(Volatility::Stable, FunctionBody::Scalar(value));
/// The same for its rows.
static ROWS: Function = function(Volatility::Volatile, FunctionBody::Set(rows));

const fn function(volatility: Volatility, body: FunctionBody) -> Function {
    Function::of_user("sql_function", &[oid::OID, oid::TEXT, oid::ANY], volatility, body)
}

fn routine(call: &Call<'_>) -> Result<Oid> {
    match call.args.first() {
        Some(Value::Oid(oid)) => Ok(*oid),
        _ => Err(SqlError::internal("a function in SQL without its OID")),
    }
}

fn value(call: &Call<'_>) -> Result<Value> {
    let rows = call.ctx.runtime.call_routine(routine(call)?, call.args.get(2..).unwrap_or_default(), true)?;
    Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or_default())
}

fn rows(call: &Call<'_>) -> Result<Vec<Row>> {
    call.ctx.runtime.call_routine(routine(call)?, call.args.get(2..).unwrap_or_default(), false)
}

/// Whether a call is one of these.
pub(in crate::plan) fn is_routine(function: &'static Function) -> bool {
    [&VALUE, &STABLE, &ROWS].into_iter().any(|own| std::ptr::eq(own, function))
}

/// A call's arguments as written: a name for those that have one.
type Given<'t> = Vec<(Option<String>, &'t Ast)>;

impl Binder<'_> {
    /// The functions of this name that a call can mean.
    pub(super) fn routines(&self, schema: Option<&str>, name: &str) -> Vec<Arc<FunctionDef>> {
        let wanted = schema.and_then(|schema| self.schema_oid(schema));
        let seen = |def: &&Arc<FunctionDef>| {
            def.dialect == SQL_FUNCTIONS
                && def.kind == FunctionKind::Function
                && def.name == name
                && match (schema, wanted) {
                    (Some(_), wanted) => wanted == Some(def.schema),
                    (None, _) => self.search_path.contains(&def.schema),
                }
        };
        let mut found: Vec<_> = self.catalog.functions().filter(seen).cloned().collect();
        let place = |def: &Arc<FunctionDef>| self.search_path.iter().position(|schema| *schema == def.schema);
        found.sort_by_key(|def| (place(def), def.oid));
        found
    }

    /// A call in an expression; none if none of these is meant.
    pub(super) fn routine_call(
        &mut self,
        found: &[Arc<FunctionDef>],
        name: &str,
        call: &ast::Function,
        position: Option<Span>,
    ) -> Result<Option<Expr>> {
        let FunctionArguments::List(list) = &call.args else { return Ok(None) };
        let Some(given) = self.given(&list.args) else { return Ok(None) };
        let Some((def, args)) = self.choose(found, name, &given, position)? else { return Ok(None) };
        self.note_function(&call.name, def.oid);
        self.need_as(None, def.oid, Privilege::Execute, None);
        if call.over.is_some() {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("OVER specified, but {name} is not a window function nor an aggregate function"),
            )
            .at(position));
        }
        let plain = super::call::Args {
            exprs: Vec::new(),
            star: false,
            distinct: matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct)),
            variadic: false,
            order: list
                .clauses
                .iter()
                .find_map(|clause| match clause {
                    ast::FunctionArgumentClause::OrderBy(order) => Some(order.as_slice()),
                    _ => None,
                })
                .unwrap_or_default(),
        };
        self.refuse_aggregate_clauses(name, call, &plain, position)?;
        let stable = def.volatility.is_some_and(|volatility| volatility != 'v');
        self.volatile |= !stable;
        if def.returns_set {
            return self.routine_set(&def, args, position).map(Some);
        }
        let function = if stable { &STABLE } else { &VALUE };
        let ty = if def.columns.len() > 1 { DataType::RECORD } else { def.returns };
        Ok(Some(Expr::Call { function, args, ty }))
    }

    /// Rows in a SELECT list.
    fn routine_set(&mut self, def: &FunctionDef, args: Vec<Expr>, position: Option<Span>) -> Result<Expr> {
        if !matches!(self.clause, Clause::Select | Clause::OrderBy | Clause::Values | Clause::Returning) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("set-returning functions are not allowed in {}", self.clause.text()),
            )
            .at(position));
        }
        let columns = self.routine_columns(def);
        let [(_, ty)] = columns.as_slice() else {
            return Err(SqlError::unsupported("rows of a function in SQL outside of FROM").at(position));
        };
        let ty = *ty;
        let level = self.level();
        let place = SET_MARK + level.sets.len();
        level.sets.push(SetCall { function: &ROWS, args, columns: vec![ty] });
        Ok(Expr::Column(place, ty))
    }

    /// Names and types of a function's columns; a plain value's has the function's name.
    fn routine_columns(&self, def: &FunctionDef) -> Vec<(String, DataType)> {
        if !def.columns.is_empty() {
            return def.columns.clone();
        }
        match self.catalog.table_of_rows(def.returns.oid) {
            Some(table) => table.live_columns().map(|(_, column)| (column.name.clone(), column.ty)).collect(),
            None => vec![(def.name.clone(), def.returns)],
        }
    }

    /// A call in FROM: what gives its rows, their columns, and whether it is a plain value.
    #[allow(clippy::type_complexity, reason = "one call site")]
    pub(super) fn routine_in_from(
        &mut self,
        found: &[Arc<FunctionDef>],
        written: &ast::ObjectName,
        args: &[FunctionArg],
        position: Option<Span>,
    ) -> Result<Option<(SetCall, Vec<(String, DataType)>, bool)>> {
        let Some(given) = self.given(args) else { return Ok(None) };
        let name = self.name_parts(written).pop().unwrap_or_default();
        let Some((def, args)) = self.choose(found, &name, &given, position)? else { return Ok(None) };
        self.note_function(written, def.oid);
        self.need_as(None, def.oid, Privilege::Execute, None);
        self.volatile |= def.volatility.is_none_or(|volatility| volatility == 'v');
        let named = self.routine_columns(&def);
        let columns = named.iter().map(|(_, ty)| *ty).collect();
        let plain = def.columns.is_empty() && named.len() == 1;
        Ok(Some((SetCall { function: &ROWS, args, columns }, named, plain)))
    }

    fn given<'t>(&self, args: &'t [FunctionArg]) -> Option<Given<'t>> {
        args.iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some((None, expr)),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. }
                | FunctionArg::ExprNamed { name: Ast::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                    Some((Some(self.fold(name)), expr))
                }
                _ => None,
            })
            .collect()
    }

    /// The function that a call means, and its arguments with the OID and the name before them. None: one of the built-in
    /// ones. Errors: 42883 none fits, 42725 several do.
    fn choose(
        &mut self,
        found: &[Arc<FunctionDef>],
        name: &str,
        given: &Given<'_>,
        position: Option<Span>,
    ) -> Result<Option<(Arc<FunctionDef>, Vec<Expr>)>> {
        let mut bound = Vec::with_capacity(given.len());
        for (_, arg) in given {
            bound.push(self.expr(arg)?);
        }
        let types: Vec<Oid> = bound.iter().map(type_of).collect();
        let plain = given.iter().all(|(name, _)| name.is_none());
        let built_in = if plain { resolve_function(name, &types, false).ok() } else { None };
        if built_in.as_ref().is_some_and(|found| found.arg_types == types) {
            return Ok(None);
        }
        // Of those that take the arguments, the ones with most of them as they are; the first schema of the path wins.
        let mut best: Vec<(usize, &Arc<FunctionDef>, Vec<Option<usize>>)> = Vec::new();
        for def in found {
            let Some(places) = places(def, given) else { continue };
            let mut exact = 0;
            let mut fits = true;
            for (place, (_, ty)) in places.iter().zip(&def.arguments) {
                let Some(place) = place else { continue };
                let same = types[*place] == ty.oid;
                exact += usize::from(same);
                // An untyped literal takes any type; whether it can be read is seen when the choice is made.
                let mut implicit = || {
                    let to = DataType::new(ty.oid);
                    let made = self.try_coerce(bound[*place].clone(), to, CastContext::Implicit);
                    made.is_ok_and(|made| made.is_some())
                };
                fits &= same || types[*place] == oid::UNKNOWN || implicit();
            }
            if !fits {
                continue;
            }
            let most = best.first().map_or(0, |(most, ..)| *most);
            if exact > most {
                best.clear();
            }
            if exact >= most || best.is_empty() {
                best.push((exact, def, places));
            }
        }
        let signature = || {
            let shown = types.iter().zip(given).map(|(ty, (name, _))| {
                let ty = shown_type(DataType::new(*ty));
                name.as_ref().map_or(ty.clone(), |name| format!("{name} => {ty}"))
            });
            format!("{name}({})", shown.collect::<Vec<_>>().join(", "))
        };
        if let Some((exact, ..)) = best.first()
            && built_in.is_some()
            && *exact < types.len()
        {
            return Ok(None);
        }
        if best.len() > 1 {
            // An untyped literal is text, if that is among what is taken.
            let texts = |def: &FunctionDef, places: &[Option<usize>]| {
                let pairs = places.iter().zip(&def.arguments);
                let text = |(place, (_, ty)): (&Option<usize>, &(String, DataType))| {
                    place.is_some_and(|place| types[place] == oid::UNKNOWN) && ty.oid == oid::TEXT
                };
                pairs.filter(|pair| text(*pair)).count()
            };
            let most = best.iter().map(|(_, def, places)| texts(def, places)).max().unwrap_or(0);
            best.retain(|(_, def, places)| texts(def, places) == most);
        }
        best.dedup_by(|next, kept| next.1.schema != kept.1.schema && next.1.arguments == kept.1.arguments);
        let (def, places) = match best.as_slice() {
            [] if built_in.is_some() || crate::expr::functions_named(name).next().is_some() => return Ok(None),
            [] => {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("function {} does not exist", signature()),
                )
                .hint(
                    "No function matches the given name and argument types. You might need to add explicit type casts.",
                )
                .at(position));
            }
            [(_, def, places)] => ((*def).clone(), places.clone()),
            _ => {
                return Err(SqlError::new(
                    SqlState::AMBIGUOUS_FUNCTION,
                    format!("function {} is not unique", signature()),
                )
                .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
                .at(position));
            }
        };
        let name = Expr::Const(Value::text(&def.name), DataType::TEXT);
        let mut args = vec![Expr::Const(Value::Oid(def.oid), DataType::OID), name];
        let required = def.arguments.len() - def.defaults.len();
        for (at, (place, (name, ty))) in places.iter().zip(&def.arguments).enumerate() {
            let ty = DataType::new(ty.oid);
            args.push(match place {
                Some(place) => self.coerce(bound[*place].clone(), ty, CastContext::Implicit)?,
                None => bind_default(&self.context, &def.defaults[at - required], name, ty)?,
            });
        }
        Ok(Some((def, args)))
    }
}

/// For each argument of a function its place among those given, none for a default. None: it does not take them.
fn places(def: &FunctionDef, given: &Given<'_>) -> Option<Vec<Option<usize>>> {
    let mut places = vec![None; def.arguments.len()];
    for (at, (name, _)) in given.iter().enumerate() {
        let slot = match name {
            None => at,
            Some(name) => def.arguments.iter().position(|(own, _)| own == name)?,
        };
        let place = places.get_mut(slot)?;
        if place.is_some() {
            return None;
        }
        *place = Some(at);
    }
    let required = def.arguments.len() - def.defaults.len();
    places[..required].iter().all(Option::is_some).then_some(places)
}
