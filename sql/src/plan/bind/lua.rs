//! Calls of functions that are Comdb2 procedures (CDB-111). They take any arguments. Without a declared result the value
//! stands where it is used as an untyped literal would: beside a number it is read as a number.

use std::sync::Arc;

use sqlparser::ast;

use super::Binder;
use super::call::Args;
use crate::catalog::{FunctionDef, FunctionKind};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{Call, Expr, Function, FunctionBody, ScalarFn, Volatility, functions_named, is_aggregate};
use crate::types::{DataType, Value, oid};

/// The dialect of their definitions.
pub const LUA_FUNCTIONS: &str = "comdb2 function";

/// What a call becomes; its first argument is the function's name. In no table of functions: only the binder makes them.
static SCALAR: Function = function(Volatility::Volatile, scalar);
/// The same for one that is DETERMINISTIC.
static STABLE: Function = function(Volatility::Stable, scalar);
/// Of an aggregate: its name, and the rows of a group.
static GROUP: Function = function(Volatility::Volatile, group);

fn scalar(call: &Call<'_>) -> Result<Value> {
    let (name, args) = parts(call)?;
    let types = call.arg_types.get(1..).unwrap_or_default();
    call.ctx.runtime.call_function(name, &[args], types, call.result)
}

fn group(call: &Call<'_>) -> Result<Value> {
    let (name, args) = parts(call)?;
    let Some(Value::Array(rows)) = args.first() else { return Ok(Value::Null) };
    let mut types: Vec<DataType> = Vec::new();
    let mut values: Vec<Vec<Value>> = Vec::with_capacity(rows.items.len());
    for row in &rows.items {
        let Value::Record(row) = row else { continue };
        if types.is_empty() {
            types = row.fields.iter().map(|(_, ty, _)| *ty).collect();
        }
        values.push(row.fields.iter().map(|(_, _, value)| value.clone()).collect());
    }
    if values.is_empty() {
        return Ok(Value::Null);
    }
    let rows: Vec<&[Value]> = values.iter().map(Vec::as_slice).collect();
    call.ctx.runtime.call_function(name, &rows, &types, call.result)
}

const fn function(volatility: Volatility, body: ScalarFn) -> Function {
    Function::of_user("lua_function", &[oid::TEXT, oid::ANY], volatility, FunctionBody::Scalar(body))
}

fn parts<'a>(call: &Call<'a>) -> Result<(&'a str, &'a [Value])> {
    match (call.args.first().and_then(Value::as_str), call.args.get(1..)) {
        (Some(name), Some(args)) => Ok((name, args)),
        _ => Err(SqlError::internal("a function of Lua without its name")),
    }
}

/// Whether a call is one of these; its first argument is no argument of the user's then.
pub(in crate::plan) fn is_lua_call(function: &'static Function) -> bool {
    [&SCALAR, &STABLE, &GROUP].into_iter().any(|own| std::ptr::eq(own, function))
}

impl Binder<'_> {
    /// The definition of a Lua function, where no built-in one has the name.
    pub(super) fn lua_function(&self, name: &str) -> Option<Arc<FunctionDef>> {
        if functions_named(name).next().is_some() || is_aggregate(name) {
            return None;
        }
        self.catalog.functions().find(|def| def.dialect == LUA_FUNCTIONS && def.name == name).cloned()
    }

    /// A call of one.
    pub(super) fn lua_call(
        &mut self,
        def: &FunctionDef,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<Expr> {
        let name = def.name.as_str();
        if call.over.is_some() {
            return Err(SqlError::unsupported(format!("the Lua function {name} over a window")).at(position));
        }
        let aggregate = def.kind == FunctionKind::Aggregate;
        let mut operands = vec![Expr::Const(Value::text(name), DataType::TEXT)];
        let function = if aggregate {
            operands.push(self.aggregate_call(name, call, args, position)?);
            &GROUP
        } else {
            self.refuse_aggregate_clauses(name, call, args, position)?;
            for arg in &args.exprs {
                let arg = self.expr(arg)?;
                operands.push(self.settle_text(arg)?);
            }
            if def.volatility == Some('s') { &STABLE } else { &SCALAR }
        };
        if operands.len() > super::call::ARGUMENTS_MAX {
            return Err(SqlError::new(SqlState::TOO_MANY_ARGUMENTS, "too many arguments of a function").at(position));
        }
        if function.volatility == Volatility::Volatile && !aggregate {
            self.volatile = true;
        }
        Ok(Expr::Call { function, args: operands, ty: def.returns })
    }
}
