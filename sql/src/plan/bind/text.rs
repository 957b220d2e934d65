//! Expressions and queries kept as text (defaults, checks, generated columns, views), and expressions bound alone.

use std::sync::Arc;

use sqlparser::ast;

use super::scope::{Frame, Item, ItemColumn, ItemColumns};
use super::{BindContext, Binder, Clause};
use crate::catalog::{TableDef, ViewDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{ParseOptions, Statement, parse_one};
use crate::types::{CastContext, DataType, Oid};

/// Reads an expression.
pub(super) fn parse_expr(text: &str) -> Result<ast::Expr> {
    crate::parse::parse_expr(text)
}

/// Reads a type name.
pub(super) fn parse_type(text: &str) -> Result<ast::DataType> {
    crate::parse::parse_type(text)
}

/// Reads a view's query.
pub(super) fn parse_query(text: &str) -> Result<ast::Query> {
    let parsed = parse_one(text, &ParseOptions::default())?;
    match Arc::unwrap_or_clone(parsed.statement) {
        Statement::Query(query) => Ok(*query),
        _ => Err(SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, "the text of a view is not a query")),
    }
}

/// The literal 1 of `FETCH FIRST ROW ONLY`.
pub(super) fn number_one() -> ast::Expr {
    ast::Expr::Value(ast::ValueWithSpan {
        value: ast::Value::Number("1".to_owned(), false),
        span: sqlparser::tokenizer::Span::empty(),
    })
}

fn table_item(table: &Arc<TableDef>) -> Item {
    Item {
        name: Some(table.name.clone()),
        schema: Some(table.schema),
        relation: table.id.0,
        row_type: table.row_type,
        columns: ItemColumns::Table { def: table.clone(), first: 0 },
        by_name: true,
        by_column: true,
        loose: table.dialect == "ami",
        row_id: None,
        nullable: false,
        mark: None,
        scalar: false,
    }
}

/// A binder for a stored text: no parameters, no positions, names of the table if there is one.
pub(super) fn text_binder<'a>(
    context: &BindContext<'a>,
    table: Option<&Arc<TableDef>>,
    clause: Clause,
) -> Result<Binder<'a>> {
    let mut binder = Binder::new(context, false, &[], 0)?;
    binder.params.forbid();
    binder.positions = false;
    binder.clause = clause;
    binder.view_depth = 1;
    let items = table.map(table_item).into_iter().collect();
    let width = table.map_or(0, |table| table.columns.len());
    binder.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
    Ok(binder)
}

fn refuse_subqueries(binder: &Binder<'_>) -> Result<()> {
    if binder.subplans.is_empty() {
        return Ok(());
    }
    let text = match binder.clause {
        Clause::Check => "check constraint",
        Clause::Default => "DEFAULT expression",
        Clause::Generated => "column generation expression",
        Clause::IndexExpr => "index expression",
        Clause::IndexPredicate => "index predicate",
        _ => "transform expression",
    };
    Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot use subquery in {text}")))
}

/// A column's default over no row, of the column's type. Errors: 42804, 0A000 for column references and subqueries.
pub fn bind_default(context: &BindContext<'_>, text: &str, column: &str, ty: DataType) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let mut binder = text_binder(context, None, Clause::Default)?;
    let expr = binder.expr(&ast).map_err(|error| {
        if error.state() == SqlState::UNDEFINED_COLUMN {
            SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression")
        } else {
            error
        }
    })?;
    refuse_subqueries(&binder)?;
    let from = expr.data_type();
    let coerced = binder.try_coerce(expr, ty, CastContext::Assignment)?;
    let coerced = coerced.ok_or_else(|| {
        SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "column \"{column}\" is of type {} but default expression is of type {}",
                crate::types::shown_type(DataType::new(ty.oid)),
                crate::types::shown_type(DataType::new(from.oid))
            ),
        )
        .hint("You will need to rewrite or cast the expression.")
    })?;
    Ok(crate::plan::rewrite::fold(coerced, context.style))
}

/// A domain's condition over a row of one column, `value`. Errors as expressions; 42804 unless it is a condition.
pub fn bind_domain_check(context: &BindContext<'_>, text: &str, ty: DataType) -> Result<Expr> {
    Ok(crate::plan::rewrite::fold(domain_condition(context, text, ty, false)?, context.style))
}

/// As `bind_domain_check`, kept as written, to be printed.
pub fn bind_domain_unfolded(context: &BindContext<'_>, text: &str, ty: DataType) -> Result<Expr> {
    domain_condition(context, text, ty, true)
}

fn domain_condition(context: &BindContext<'_>, text: &str, ty: DataType, keep_casts: bool) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let mut binder = text_binder(context, None, Clause::Check)?;
    binder.keep_casts = keep_casts;
    let value = ItemColumn { name: "value".to_owned(), expr: Expr::Column(0, ty), origin: (0, 0) };
    let item = binder.list_item(vec![value], None, None)?;
    binder.frames.push(Frame { items: vec![item], width: 1, hidden: false, uses: Vec::new() });
    let expr = binder.condition(&ast, "CHECK")?;
    refuse_subqueries(&binder)?;
    Ok(expr)
}

/// A CHECK condition over the table's row. Errors as expressions; 42804 unless it is a condition.
pub fn bind_check(context: &BindContext<'_>, text: &str, table: &Arc<TableDef>) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let mut binder = text_binder(context, Some(table), Clause::Check)?;
    let expr = binder.condition(&ast, "CHECK")?;
    refuse_subqueries(&binder)?;
    Ok(crate::plan::rewrite::fold(expr, context.style))
}

/// The relation whose rows a view's are, and for each column of the view whether it is a column of the table below.
/// Errors: 55000 for a view that cannot be written through, with the reason as its detail.
pub fn written_columns(context: &BindContext<'_>, view: &Arc<ViewDef>) -> Result<(Oid, Vec<bool>)> {
    Binder::new(context, false, &[], 0)?.written_columns(view)
}

/// A generated column's expression over the table's row, of the column's type.
pub fn bind_generated(
    context: &BindContext<'_>,
    text: &str,
    table: &Arc<TableDef>,
    column: &str,
    ty: DataType,
) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let mut binder = text_binder(context, Some(table), Clause::Generated)?;
    let expr = binder.expr(&ast)?;
    refuse_subqueries(&binder)?;
    if super::call::is_volatile(&expr) {
        return Err(SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, "generation expression is not immutable"));
    }
    let expr = binder.assign(expr, column, ty, None)?;
    Ok(crate::plan::rewrite::fold(expr, context.style))
}

/// An expression key of an index, or its predicate, over the table's row.
pub fn bind_index_expr(context: &BindContext<'_>, text: &str, table: &Arc<TableDef>, predicate: bool) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let clause = if predicate { Clause::IndexPredicate } else { Clause::IndexExpr };
    let mut binder = text_binder(context, Some(table), clause)?;
    let expr = binder.expr(&ast)?;
    let expr = if predicate { binder.as_bool(expr, &ast, "WHERE")? } else { binder.settle_text(expr)? };
    refuse_subqueries(&binder)?;
    // Keys are made where no statement runs.
    let calls = |expr: &Expr| matches!(expr, Expr::Call { function, .. } if super::routine::is_routine(function));
    if crate::plan::visit::any(&expr, &mut |expr| calls(expr)) {
        return Err(SqlError::unsupported("an index that calls a function in SQL"));
    }
    Ok(crate::plan::rewrite::fold(expr, context.style))
}

/// A stored expression as it was written, nothing computed, to be printed: over the table's row if there is one,
/// coerced to the type of its column (without modifier) if it is a default.
pub fn bind_unfolded(
    context: &BindContext<'_>,
    text: &str,
    table: Option<&Arc<TableDef>>,
    ty: Option<DataType>,
) -> Result<Expr> {
    let ast = parse_expr(text)?;
    let mut binder = text_binder(context, table, Clause::Transform)?;
    binder.keep_casts = true;
    let expr = binder.expr(&ast)?;
    match ty {
        Some(ty) => binder.coerce(expr, DataType::new(ty.oid), CastContext::Assignment),
        None => binder.settle_text(expr),
    }
}

/// An expression over given columns (ALTER … USING, arguments of CALL and EXECUTE), coerced to `ty` if there is one.
pub fn bind_scalar(
    context: &BindContext<'_>,
    ast: &ast::Expr,
    columns: &[(String, DataType)],
    ty: Option<DataType>,
) -> Result<Expr> {
    let mut binder = Binder::new(context, false, &[], 0)?;
    binder.clause = if columns.is_empty() { Clause::Execute } else { Clause::Transform };
    let list = columns.iter().enumerate();
    let list = list
        .map(|(place, (name, ty))| ItemColumn { name: name.clone(), expr: Expr::Column(place, *ty), origin: (0, 0) })
        .collect();
    let item = binder.list_item(list, None, None)?;
    binder.frames.push(Frame { items: vec![item], width: columns.len(), hidden: false, uses: Vec::new() });
    let expr = binder.expr(ast)?;
    refuse_subqueries(&binder)?;
    let expr = match ty {
        Some(ty) => binder.assign(expr, "expression", ty, Some(ast))?,
        None => binder.settle_text(expr)?,
    };
    Ok(crate::plan::rewrite::fold(expr, context.style))
}

/// An argument of AMI's CALL: literals and parameters (of the types declared), with AMI's operators.
pub fn bind_ami_argument(context: &BindContext<'_>, ast: &ast::Expr, declared: &[crate::types::Oid]) -> Result<Expr> {
    let mut binder = Binder::new(context, true, declared, 0)?;
    binder.clause = Clause::Execute;
    binder.positions = false;
    binder.frames.push(Frame::default());
    let expr = binder.expr(ast)?;
    refuse_subqueries(&binder)?;
    let expr = binder.settle_text(expr)?;
    Ok(crate::plan::rewrite::fold(expr, context.style))
}

/// The type that a tree names. Errors: 42704, 22023.
pub fn resolve_type(context: &BindContext<'_>, ty: &ast::DataType) -> Result<DataType> {
    Binder::new(context, false, &[], 0)?.written_type(ty)
}

/// The type that a text names, as in regtype's input. Errors: 42704.
pub fn resolve_type_text(context: &BindContext<'_>, text: &str) -> Result<DataType> {
    Binder::new(context, false, &[], 0)?.type_from_text(text)
}
