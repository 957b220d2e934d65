//! Calls: functions, aggregates, window functions, set-returning functions, and the forms with a syntax of their own.

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;
use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments};

use super::coerce::type_of;
use super::{AGGREGATE_MARK, Binder, Clause, GROUPING_MARK, SET_MARK};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{AggregateFunction, Expr, Function, FunctionBody, Resolved, Target, Volatility, resolve_function};
use crate::parse::is_variadic_mark;
use crate::plan::visit::same;
use crate::plan::{AggregateCall, SetCall, SortKey};
use crate::types::{CastContext, DataType, Oid, Value, oid};

/// Most arguments of a call.
pub(super) const ARGUMENTS_MAX: usize = 100;

/// The arguments of a call as written.
pub(super) struct Args<'t> {
    pub exprs: Vec<&'t Ast>,
    /// `f(*)`.
    pub star: bool,
    pub distinct: bool,
    /// The last one was written VARIADIC.
    pub variadic: bool,
    pub order: &'t [ast::OrderByExpr],
}

/// Functions that extensions put into a schema of the user's choice.
const OF_EXTENSIONS: &[&str] = &[
    "crypt",
    "digest",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "hmac",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v3",
    "uuid_generate_v4",
    "uuid_generate_v5",
    "uuid_nil",
];

/// Functions of large objects (PG-46).
const LARGE_OBJECTS: &[&str] = &[
    "lo_close",
    "lo_creat",
    "lo_create",
    "lo_export",
    "lo_from_bytea",
    "lo_get",
    "lo_import",
    "lo_lseek",
    "lo_lseek64",
    "lo_open",
    "lo_put",
    "lo_tell",
    "lo_tell64",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "loread",
    "lowrite",
];

/// Whether a built-in function of this name may be meant in this schema (PG-80).
pub(super) fn has_built_in(schema: &str, name: &str) -> bool {
    match schema {
        "pg_catalog" | "tripline" => true,
        "information_schema" => name.starts_with("_pg_"),
        _ => OF_EXTENSIONS.contains(&name),
    }
}

impl Binder<'_> {
    /// A call.
    pub(super) fn function(&mut self, call: &ast::Function) -> Result<Expr> {
        let position = self.name_position(&call.name);
        let parts = self.name_parts(&call.name);
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] | [_, schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(SqlError::syntax("improper qualified name (too many dotted names)").at(position)),
        };
        if schema == Some(super::ami::SCHEMA) && self.ami {
            return self.ami_call(name, call);
        }
        if self.ami
            && schema.is_none()
            && let Some(method) = self.ami_method(name, call)?
        {
            return Ok(method);
        }
        if let FunctionArguments::Subquery(query) = &call.args {
            if name == "array" {
                return self.array_subquery(query);
            }
            return Err(SqlError::syntax("a subquery must be enclosed in parentheses of its own").at(position));
        }
        let quoted =
            matches!(call.name.0.last(), Some(ast::ObjectNamePart::Identifier(ident)) if ident.quote_style.is_some());
        if schema.is_none() && !quoted {
            if let Some(special) = self.special_form(name, call, position)? {
                return Ok(special);
            }
        }
        if let Some(schema) = schema {
            if !matches!(schema, "pg_catalog" | "information_schema" | "tripline") && self.schema_oid(schema).is_none()
            {
                return Err(SqlError::new(
                    SqlState::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                )
                .at(position));
            }
        }
        let routines = self.routines(schema, name);
        if !routines.is_empty()
            && let Some(made) = self.routine_call(&routines, name, call, position)?
        {
            return Ok(made);
        }
        let args = self.call_args(name, call)?;
        if let Some(def) = self.lua_function(name) {
            return self.lua_call(&def, call, &args, position);
        }
        if LARGE_OBJECTS.contains(&name) && schema.is_none_or(|schema| schema == "pg_catalog") {
            return Err(SqlError::unsupported(format!("the large object function {name}")).at(position));
        }
        let foreign = schema.filter(|schema| !has_built_in(schema, name)).map(|schema| format!("{schema}.{name}"));
        let name = foreign.as_deref().unwrap_or(name);
        if call.over.is_some() {
            return self.window_call(name, call, &args, position);
        }
        self.plain_call(name, call, &args, position)
    }

    /// Splits the arguments of a call.
    pub(super) fn call_args<'t>(&mut self, name: &str, call: &'t ast::Function) -> Result<Args<'t>> {
        let mut args = Args { exprs: Vec::new(), star: false, distinct: false, variadic: false, order: &[] };
        let FunctionArguments::List(list) = &call.args else { return Ok(args) };
        args.distinct = matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(order) => args.order = order,
                other => return Err(SqlError::unsupported(format!("{other} in a call of {name}"))),
            }
        }
        let mut named: Vec<(usize, &Ast)> = Vec::new();
        let star = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
        if args.distinct && list.args.iter().any(star) {
            return Err(SqlError::syntax("syntax error at or near \"*\""));
        }
        for arg in &list.args {
            match arg {
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. }
                | FunctionArg::ExprNamed { name: Ast::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. }
                    if is_variadic_mark(name) =>
                {
                    args.variadic = true;
                    args.exprs.push(expr);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.exprs.push(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_)) => {
                    args.star = true;
                }
                FunctionArg::Named { name: ident, arg: FunctionArgExpr::Expr(expr), .. }
                | FunctionArg::ExprNamed { name: Ast::Identifier(ident), arg: FunctionArgExpr::Expr(expr), .. } => {
                    let folded = self.fold(ident);
                    let place = argument_place(name, &folded).ok_or_else(|| {
                        SqlError::new(
                            SqlState::UNDEFINED_FUNCTION,
                            format!("function {name} has no argument named \"{folded}\""),
                        )
                        .at(self.position(ident.span))
                    })?;
                    named.push((place, expr));
                }
                other => return Err(SqlError::unsupported(format!("the argument {other}"))),
            }
        }
        if !named.is_empty() {
            named.sort_by_key(|(place, _)| *place);
            for (place, expr) in named {
                while args.exprs.len() < place {
                    args.exprs.push(zero());
                }
                args.exprs.push(expr);
            }
        }
        Ok(args)
    }

    fn plain_call(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<Expr> {
        // Whether it is an aggregate decides in which scope state the arguments are bound.
        let aggregate = crate::expr::aggregates_named(name).next().is_some();
        if aggregate {
            return self.aggregate_call(name, call, args, position);
        }
        self.refuse_aggregate_clauses(name, call, args, position)?;
        let mut bound = Vec::with_capacity(args.exprs.len());
        for arg in &args.exprs {
            bound.push(self.expr(arg)?);
        }
        self.call_asts(name, bound, Some(&args.exprs), args.variadic, position)
    }

    /// What only an aggregate's call may have. Errors: 42809.
    pub(super) fn refuse_aggregate_clauses(
        &self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<()> {
        if args.star {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{name}(*) specified, but {name} is not an aggregate function"),
            )
            .at(position));
        }
        if call.filter.is_some() || args.distinct || !args.order.is_empty() {
            let what = if call.filter.is_some() {
                "FILTER"
            } else if args.distinct {
                "DISTINCT"
            } else {
                "ORDER BY"
            };
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{what} specified, but {name} is not an aggregate function"),
            )
            .at(position));
        }
        Ok(())
    }

    /// Binds the operands and calls.
    pub(super) fn call_with(&mut self, ast: &Ast, name: &str, args: &[&Ast]) -> Result<Expr> {
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.expr(arg)?);
        }
        let position = self.expr_position(ast);
        self.call_asts(name, bound, Some(args), false, position)
    }

    /// Calls with bound arguments.
    pub(super) fn call_bound(&mut self, name: &str, args: Vec<Expr>, position: Option<Span>) -> Result<Expr> {
        self.call_asts(name, args, None, false, position)
    }

    fn call_asts(
        &mut self,
        name: &str,
        args: Vec<Expr>,
        asts: Option<&[&Ast]>,
        variadic: bool,
        position: Option<Span>,
    ) -> Result<Expr> {
        if args.len() > ARGUMENTS_MAX {
            return Err(SqlError::new(
                SqlState::TOO_MANY_ARGUMENTS,
                format!("cannot pass more than {ARGUMENTS_MAX} arguments to a function"),
            )
            .at(position));
        }
        let types: Vec<Oid> = args.iter().map(type_of).collect();
        let found = match resolve_function(name, &types, variadic) {
            Ok(found) => found,
            Err(error) => {
                // `column(row)` is another spelling of row.column.
                if let [Expr::Row { fields, .. }] = args.as_slice() {
                    if let Some((_, field)) = fields.iter().find(|(own, _)| **own == *name) {
                        return Ok(field.clone());
                    }
                }
                return Err(error.at(position));
            }
        };
        let args = self.coerce_args(args, &found, asts).map_err(|error| error.at(position))?;
        match found.target {
            Target::Function(function) => self.make_call(function, args, &found, position),
            Target::Cast(to) => {
                let mut args = args;
                let input = args.pop().ok_or_else(|| SqlError::internal("a cast of nothing"))?;
                self.explicit_cast(input, DataType::new(to)).map_err(|error| error.at(position))
            }
            Target::Aggregate(_) => Err(SqlError::internal("an aggregate called as a function")),
            Target::Window(_) => Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("window function {name} requires an OVER clause"),
            )
            .at(position)),
        }
    }

    /// Coerces arguments to what the resolution says, and adds defaults.
    pub(super) fn coerce_args(
        &mut self,
        args: Vec<Expr>,
        found: &Resolved,
        asts: Option<&[&Ast]>,
    ) -> Result<Vec<Expr>> {
        let mut made = Vec::with_capacity(args.len() + found.defaults.len());
        let typeof_call = matches!(found.target, Target::Function(function) if function.name == "pg_typeof");
        for (place, arg) in args.into_iter().enumerate() {
            let to = found.arg_types.get(place).copied().unwrap_or(oid::ANY);
            let arg = if to == oid::UNKNOWN || to == oid::ANY {
                // A literal stays as it is; an open parameter stays open (42P18).
                match arg {
                    Expr::Const(value, ty) if ty.oid == oid::UNKNOWN && !typeof_call => {
                        Expr::Const(value, DataType::TEXT)
                    }
                    other => other,
                }
            } else {
                let coerced = self.coerce(arg, DataType::new(to), CastContext::Implicit);
                let ast = asts.and_then(|asts| asts.get(place));
                coerced.map_err(|error| error.at(ast.and_then(|ast| self.expr_position(ast))))?
            };
            made.push(arg);
        }
        if matches!(found.target, Target::Function(function) if function.name.contains("populate_record")) {
            // A base that is NULL still says which fields there are.
            if let Some(base) = made.first_mut() {
                *base = self.or_empty_row(base.clone());
            }
        }
        for (text, ty) in &found.defaults {
            let ast = super::text::parse_expr(text)?;
            let bound = self.expr(&ast)?;
            made.push(self.coerce(bound, DataType::new(*ty), CastContext::Implicit)?);
        }
        Ok(made)
    }

    /// A value of a table's row type, or where it is NULL a row of NULLs.
    fn or_empty_row(&self, row: Expr) -> Expr {
        let ty = row.data_type();
        let Some(table) = self.catalog.table_of_rows(ty.oid) else {
            return row;
        };
        let fields = table
            .live_columns()
            .map(|(_, column)| (std::sync::Arc::from(column.name.as_str()), Expr::Const(Value::Null, column.ty)));
        let empty = Expr::Row { fields: fields.collect(), ty };
        if matches!(row, Expr::Const(Value::Null, _)) { empty } else { Expr::Coalesce(vec![row, empty], ty) }
    }

    fn make_call(
        &mut self,
        function: &'static Function,
        args: Vec<Expr>,
        found: &Resolved,
        position: Option<Span>,
    ) -> Result<Expr> {
        let ty = DataType::new(found.result);
        if function.volatility == Volatility::Volatile {
            self.volatile = true;
        }
        match function.body {
            FunctionBody::Scalar(_) => Ok(Expr::Call { function, args, ty }),
            FunctionBody::Set(_) => {
                if !matches!(self.clause, Clause::Select | Clause::OrderBy | Clause::Values | Clause::Returning) {
                    return Err(SqlError::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        format!("set-returning functions are not allowed in {}", self.clause.text()),
                    )
                    .at(position));
                }
                let item = polymorphic_item(function, found).unwrap_or(ty);
                let columns = set_columns(function, item);
                let level = self.level();
                if level.in_aggregate {
                    return Err(SqlError::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        "aggregate function calls cannot contain set-returning function calls",
                    )
                    .hint("You might be able to move the set-returning function into a LATERAL FROM item.")
                    .at(position));
                }
                let place = SET_MARK + level.sets.len();
                let ty = if columns.len() == 1 { columns[0] } else { record_of(function, item) };
                level.sets.push(SetCall { function, args, columns });
                Ok(Expr::Column(place, ty))
            }
        }
    }

    pub(super) fn aggregate_call(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<Expr> {
        if !matches!(
            self.clause,
            Clause::Select | Clause::Having | Clause::OrderBy | Clause::DistinctOn | Clause::Window
        ) || self.levels.is_empty()
        {
            return Err(SqlError::new(
                SqlState::GROUPING_ERROR,
                format!("aggregate functions are not allowed in {}", self.clause.text()),
            )
            .at(position));
        }
        if self.level().in_aggregate {
            return Err(
                SqlError::new(SqlState::GROUPING_ERROR, "aggregate function calls cannot be nested").at(position)
            );
        }
        self.level().in_aggregate = true;
        let made = self.aggregate_parts(name, call, args, position);
        self.level().in_aggregate = false;
        let made = made?;
        let ty = made.ty;
        let level = self.level();
        let known = level.aggregates.iter().position(|other| same_aggregate(other, &made));
        let place = known.unwrap_or_else(|| {
            level.aggregates.push(made);
            level.aggregates.len() - 1
        });
        Ok(Expr::Column(AGGREGATE_MARK + place, ty))
    }

    /// Resolves an aggregate with its clauses.
    pub(super) fn aggregate_parts(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<AggregateCall> {
        let mut bound = Vec::with_capacity(args.exprs.len());
        for arg in &args.exprs {
            bound.push(self.expr(arg)?);
        }
        let own = self.lua_function(name).is_some();
        let ordered_set = crate::expr::aggregates_named(name).any(|function| function.direct.is_some());
        if ordered_set && (args.distinct || !args.order.is_empty()) {
            let what = if args.distinct { "DISTINCT" } else { "multiple ORDER BY clauses" };
            return Err(SqlError::syntax(format!("cannot use {what} with WITHIN GROUP")).at(position));
        }
        // The ordered values follow the direct arguments.
        let mut written = args.exprs.clone();
        for key in &call.within_group {
            bound.push(self.expr(&key.expr)?);
            written.push(&key.expr);
        }
        if args.exprs.is_empty() && !args.star && !own && !ordered_set {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{name}(*) must be used to call a parameterless aggregate function"),
            )
            .at(position));
        }
        let types: Vec<Oid> = bound.iter().map(type_of).collect();
        let found = if own {
            let (target, result) = (Target::Aggregate(&crate::expr::ROWS), oid::ANYARRAY);
            Resolved { target, arg_types: vec![oid::ANY; types.len()], defaults: Vec::new(), result }
        } else {
            resolve_function(name, &types, args.variadic).map_err(|error| error.at(position))?
        };
        let Target::Aggregate(function) = found.target else {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("function {name} is not an aggregate function"),
            )
            .at(position));
        };
        match (function.direct, call.within_group.is_empty()) {
            (Some(_), true) => {
                let message = format!("WITHIN GROUP is required for ordered-set aggregate {name}");
                return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, message).at(position));
            }
            (None, false) => {
                let message = format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP");
                return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, message).at(position));
            }
            _ => {}
        }
        let values = self.coerce_args(bound, &found, Some(&written)).map_err(|error| error.at(position))?;
        let mut order = Vec::with_capacity(args.order.len());
        for key in args.order {
            let expr = self.expr(&key.expr)?;
            let expr = self.settle_text(expr)?;
            if args.distinct && !values.iter().any(|value| same(value, &expr)) {
                return Err(SqlError::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                )
                .at(self.expr_position(&key.expr)));
            }
            order.push(sort_key(expr, &key.options)?);
        }
        if let Some(direct) = function.direct {
            for (value, key) in values.iter().skip(direct).zip(&call.within_group) {
                order.push(sort_key(value.clone(), &key.options)?);
            }
        }
        // DISTINCT sorts what it compares, and where the order shows people count on it.
        if args.distinct && function.shows_order() {
            for value in values.iter().filter(|value| !matches!(value, Expr::Const(..))) {
                if !order.iter().any(|key: &SortKey| same(&key.expr, value)) {
                    order.push(SortKey { expr: value.clone(), descending: false, nulls_first: false });
                }
            }
        }
        let filter = match &call.filter {
            Some(filter) => Some(self.in_clause(Clause::Filter, |binder| binder.condition(filter, "FILTER"))?),
            None => None,
        };
        let function: &'static AggregateFunction = function;
        let ty = DataType::new(found.result);
        Ok(AggregateCall { function, args: values, distinct: args.distinct, order, filter, ty })
    }

    /// Forms that look like calls but are not.
    fn special_form(&mut self, name: &str, call: &ast::Function, position: Option<Span>) -> Result<Option<Expr>> {
        let now = match name {
            "current_timestamp" => Some(DataType::TIMESTAMPTZ),
            "current_date" => Some(DataType::DATE),
            "current_time" => Some(DataType::TIMETZ),
            "localtimestamp" => Some(DataType::TIMESTAMP),
            "localtime" => Some(DataType::TIME),
            _ => None,
        };
        if let Some(ty) = now {
            let args = self.call_args(name, call)?;
            let typmod = match args.exprs.as_slice() {
                [Ast::Value(value)] => match &value.value {
                    ast::Value::Number(digits, _) => digits.parse().unwrap_or(-1),
                    _ => -1,
                },
                _ => -1,
            };
            let input = Box::new(self.call_bound("now", Vec::new(), position)?);
            // An implicit cast of now() is how the keyword is told from a written cast.
            let to = DataType::with_typmod(ty.oid, typmod);
            return Ok(Some(Expr::Cast { input, to, context: CastContext::Implicit }));
        }
        match name {
            "coalesce" | "greatest" | "least" => {
                let args = self.call_args(name, call)?;
                if args.exprs.is_empty() {
                    return Err(SqlError::syntax("syntax error at or near \")\"").at(position));
                }
                let mut bound = Vec::with_capacity(args.exprs.len());
                for arg in &args.exprs {
                    bound.push((self.expr(arg)?, Some(*arg)));
                }
                let (exprs, ty) = self.unify(bound, &name.to_ascii_uppercase())?;
                Ok(Some(match name {
                    "coalesce" => Expr::Coalesce(exprs, ty),
                    _ => Expr::Extreme { greatest: name == "greatest", args: exprs, ty },
                }))
            }
            "nullif" => {
                let args = self.call_args(name, call)?;
                let [left, right] = args.exprs.as_slice() else {
                    return Err(SqlError::syntax("syntax error at or near \")\"").at(position));
                };
                let left_expr = self.expr(left)?;
                let right_expr = self.expr(right)?;
                let equal = self.operator(left, "=", Some(left_expr), right_expr)?;
                let left_expr = match &equal {
                    Expr::Compare { left, .. } => left.as_ref().clone(),
                    Expr::Call { args, .. } => args.first().cloned().ok_or_else(|| SqlError::internal("nullif"))?,
                    _ => return Err(SqlError::unsupported("NULLIF of these operands").at(position)),
                };
                let ty = left_expr.data_type();
                let null = Expr::Const(Value::Null, ty);
                Ok(Some(Expr::Case { whens: vec![(equal, null)], otherwise: Box::new(left_expr), ty }))
            }
            "row" => {
                let args = self.call_args(name, call)?;
                let mut fields = Vec::with_capacity(args.exprs.len());
                for arg in &args.exprs {
                    fields.extend(self.row_items(arg)?.into_iter().map(|field| (std::sync::Arc::from(""), field)));
                }
                Ok(Some(Expr::Row { fields, ty: DataType::RECORD }))
            }
            "grouping" => {
                let args = self.call_args(name, call)?;
                let mut bound = Vec::with_capacity(args.exprs.len());
                for arg in &args.exprs {
                    bound.push(self.expr(arg)?);
                }
                let level = self.level();
                level.grouping.push(bound);
                Ok(Some(Expr::Column(GROUPING_MARK + level.grouping.len() - 1, DataType::INT4)))
            }
            _ => Ok(None),
        }
    }

    /// A function in FROM: its call and whether it gives a set. Errors as calls.
    pub(super) fn call_in_from(
        &mut self,
        name: &str,
        args: &[&Ast],
        variadic: bool,
        position: Option<Span>,
    ) -> Result<(SetCall, Oid)> {
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.expr(arg)?);
        }
        let types: Vec<Oid> = bound.iter().map(type_of).collect();
        let found = resolve_function(name, &types, variadic).map_err(|error| error.at(position))?;
        let values = self.coerce_args(bound, &found, Some(args)).map_err(|error| error.at(position))?;
        match found.target {
            Target::Function(function) => {
                if function.volatility == Volatility::Volatile {
                    self.volatile = true;
                }
                let item = polymorphic_item(function, &found).unwrap_or(DataType::new(found.result));
                let columns = set_columns(function, item);
                Ok((SetCall { function, args: values, columns }, found.result))
            }
            Target::Aggregate(_) => {
                Err(SqlError::new(SqlState::GROUPING_ERROR, "aggregate functions are not allowed in functions in FROM")
                    .at(position))
            }
            Target::Window(_) => {
                Err(SqlError::new(SqlState::WINDOWING_ERROR, "window functions are not allowed in functions in FROM")
                    .at(position))
            }
            Target::Cast(_) => Err(SqlError::unsupported("a cast in FROM").at(position)),
        }
    }
}

/// What polymorphic columns of a function with several are: the type of its polymorphic argument, or of that one's items.
fn polymorphic_item(function: &Function, found: &Resolved) -> Option<DataType> {
    if function.columns.len() < 2 {
        return None;
    }
    function.args.iter().zip(&found.arg_types).find_map(|(declared, given)| match *declared {
        oid::ANYELEMENT | oid::ANYCOMPATIBLE => Some(DataType::new(*given)),
        oid::ANYARRAY => crate::types::element_type_of(*given).map(DataType::new),
        _ => None,
    })
}

/// The types of a set-returning function's columns.
pub(super) fn set_columns(function: &Function, result: DataType) -> Vec<DataType> {
    if function.columns.is_empty() {
        return vec![result];
    }
    let polymorphic = |ty: Oid| matches!(ty, oid::ANYELEMENT | oid::ANYARRAY | oid::ANYCOMPATIBLE);
    let columns = function.columns.iter();
    columns.map(|(_, ty)| if polymorphic(*ty) { result } else { DataType::new(*ty) }).collect()
}

/// Bits of the modifier of a record that hold the OID of a built-in function or type.
const RECORD_BITS: u32 = 14;

/// The type of the rows of a function with several columns: a record whose modifier says which function's columns its
/// fields are, and what its polymorphic ones became. (Clients never see the modifier.)
fn record_of(function: &Function, result: DataType) -> DataType {
    let built_in = 1 << RECORD_BITS;
    if function.oid >= built_in || result.oid >= built_in {
        return DataType::RECORD;
    }
    let modifier = function.oid | result.oid << RECORD_BITS;
    DataType::with_typmod(oid::RECORD, i32::try_from(modifier).unwrap_or(-1))
}

/// The names and types of a record's fields, if its modifier says them.
pub(super) fn record_columns(ty: DataType) -> Option<Vec<(&'static str, DataType)>> {
    let modifier = u32::try_from(ty.typmod).ok().filter(|_| ty.oid == oid::RECORD)?;
    let function = crate::expr::function_by_oid(modifier & ((1 << RECORD_BITS) - 1))?;
    let types = set_columns(function, DataType::new(modifier >> RECORD_BITS));
    Some(function.columns.iter().map(|(name, _)| *name).zip(types).collect())
}

/// A sort key with PostgreSQL's default places of NULL.
pub(super) fn sort_key(expr: Expr, options: &ast::OrderByOptions) -> Result<SortKey> {
    let descending = match &options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(name)) => match name.to_string().as_str() {
            "<" => false,
            ">" => true,
            other => return Err(SqlError::unsupported(format!("ORDER BY USING {other}"))),
        },
    };
    Ok(SortKey { expr, descending, nulls_first: options.nulls_first.unwrap_or(descending) })
}

fn same_aggregate(left: &AggregateCall, right: &AggregateCall) -> bool {
    std::ptr::eq(left.function, right.function)
        && left.distinct == right.distinct
        && left.args.len() == right.args.len()
        && left.args.iter().zip(&right.args).all(|(a, b)| same(a, b))
        && left.order.is_empty()
        && right.order.is_empty()
        && match (&left.filter, &right.filter) {
            (None, None) => true,
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        }
        && !left.args.iter().any(is_volatile)
}

/// Whether an expression may give another value each time.
pub(super) fn is_volatile(expr: &Expr) -> bool {
    crate::plan::visit::any(expr, &mut |inner| match inner {
        Expr::Call { function, .. } => function.volatility == Volatility::Volatile,
        Expr::Subquery { .. } => true,
        _ => false,
    })
}

/// Places of the named arguments that functions are called with by name.
fn argument_place(function: &str, argument: &str) -> Option<usize> {
    let names: &[&str] = match function {
        "make_interval" => &["years", "months", "weeks", "days", "hours", "mins", "secs"],
        "make_date" => &["year", "month", "day"],
        "make_time" => &["hour", "min", "sec"],
        "make_timestamp" | "make_timestamptz" => &["year", "month", "mday", "hour", "min", "sec", "timezone"],
        "jsonb_set" | "jsonb_insert" => &["jsonb_in", "path", "replacement", "create_if_missing"],
        _ => &[],
    };
    names.iter().position(|name| *name == argument)
}

/// A literal 0 to fill arguments that a call by name leaves out.
fn zero() -> &'static Ast {
    static ZERO: std::sync::LazyLock<Ast> = std::sync::LazyLock::new(|| {
        Ast::Value(ast::ValueWithSpan {
            value: ast::Value::Number("0".to_owned(), false),
            span: sqlparser::tokenizer::Span::empty(),
        })
    });
    &ZERO
}
