//! The SELECT list: its expressions and names, and what `*` stands for.

use sqlparser::ast;
use sqlparser::ast::{Expr as Ast, SelectItem};

use super::super::coerce::type_of;
use super::super::scope::{Item, Name};
use super::super::{Binder, SET_MARK};
use super::{TARGETS_MAX, Target};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::is_star_mark;
use crate::plan::OutputColumn;

/// What `(t.*)` is of: as an item of a list it stands for the columns, with the parentheses and without.
fn nested_star(ast: &Ast) -> Option<&[ast::Ident]> {
    let Ast::Nested(inner) = ast else { return None };
    let mut plain = inner.as_ref();
    while let Ast::Nested(inner) = plain {
        plain = inner;
    }
    match plain {
        Ast::CompoundIdentifier(idents) => match idents.split_last() {
            Some((star, of)) if is_star_mark(star) => Some(of),
            _ => None,
        },
        _ => None,
    }
}

impl Binder<'_> {
    /// The select list, `*` spread out.
    pub(super) fn targets<'t>(&mut self, projection: &'t [SelectItem], settle: bool) -> Result<Vec<Target<'t>>> {
        let mut targets = Vec::with_capacity(projection.len());
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Ast::Function(call)) if self.is_star_except(call) => {
                    targets.extend(self.star_except(call)?);
                }
                SelectItem::UnnamedExpr(ast) => {
                    if let Some(of) = nested_star(ast) {
                        targets.extend(self.star_columns(of)?);
                        continue;
                    }
                    if let Some(expanded) = self.expand_record(ast)? {
                        targets.extend(expanded);
                        continue;
                    }
                    let noted = self.noted();
                    let expr = self.target_expr(ast, settle)?;
                    if self.uses.is_some() {
                        self.note_item(ast, &self.result_name(ast), noted);
                    }
                    let origin = self.origin(&expr);
                    let name = if origin.0 == 0 { None } else { self.ami_name(origin) };
                    let name = name.unwrap_or_else(|| self.result_name(ast));
                    targets.push(Target { name, expr, origin, ast: Some(ast) });
                }
                SelectItem::ExprWithAlias { expr: ast, alias } => {
                    let expr = self.target_expr(ast, settle)?;
                    let origin = self.origin(&expr);
                    let name = if self.ami { alias.value.clone() } else { self.fold(alias) };
                    targets.push(Target { name, expr, origin, ast: Some(ast) });
                }
                SelectItem::ExprWithAliases { .. } => return Err(SqlError::unsupported("several aliases")),
                SelectItem::Wildcard(options) => {
                    let frame = self.frame();
                    if frame.items.is_empty() {
                        return Err(SqlError::syntax("SELECT * with no tables specified is not valid")
                            .at(self.position(options.wildcard_token.0.span)));
                    }
                    let columns: Vec<_> =
                        frame.items.iter().filter(|item| item.by_column).flat_map(Item::all).collect();
                    let named: Vec<_> = columns.iter().map(|one| (one.name.clone(), one.expr.clone())).collect();
                    let span = options.wildcard_token.0.span;
                    self.note_star(span, span, &named, None);
                    columns.iter().for_each(|column| self.reads(column.origin));
                    targets.extend(columns.into_iter().map(|column| Target {
                        name: column.name,
                        expr: column.expr,
                        origin: column.origin,
                        ast: None,
                    }));
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    targets.extend(self.qualified_star(kind, options.wildcard_token.0.span)?);
                }
            }
        }
        if targets.len() > TARGETS_MAX {
            return Err(SqlError::new(
                SqlState::TOO_MANY_COLUMNS,
                format!("target lists can have at most {TARGETS_MAX} entries"),
            ));
        }
        Ok(targets)
    }

    /// A result list bound alone (RETURNING): expressions and columns.
    pub(in crate::plan::bind) fn result_list(&mut self, list: &[SelectItem]) -> Result<(Vec<Expr>, Vec<OutputColumn>)> {
        let targets = self.targets(list, true)?;
        let column = |target: &Target<'_>| OutputColumn {
            name: target.name.clone(),
            ty: target.expr.data_type(),
            origin: target.origin,
        };
        let columns = targets.iter().map(column).collect();
        Ok((targets.into_iter().map(|target| target.expr).collect(), columns))
    }

    /// The columns of a `t.*` that stands in parentheses.
    fn star_columns<'t>(&mut self, of: &[ast::Ident]) -> Result<Vec<Target<'t>>> {
        if self.uses.is_some() {
            return Err(SqlError::unsupported("(t.*) in a query that is kept"));
        }
        let (item, depth) = self.starred(of)?;
        let columns = item.all();
        columns.iter().for_each(|column| self.reads(column.origin));
        let target = |mut column: crate::plan::bind::scope::ItemColumn| {
            crate::plan::bind::scope::to_outer(&mut column.expr, depth);
            Target { name: column.name, expr: column.expr, origin: column.origin, ast: None }
        };
        Ok(columns.into_iter().map(target).collect())
    }

    fn target_expr(&mut self, ast: &Ast, settle: bool) -> Result<Expr> {
        let expr = self.expr(ast)?;
        if settle { self.settle_text(expr) } else { Ok(expr) }
    }

    /// `* EXCEPT (a, b)` of AMI as its translation writes it: `ami.star_except(a, b)`.
    fn is_star_except(&self, call: &ast::Function) -> bool {
        self.ami && self.name_parts(&call.name) == [crate::plan::bind::ami::SCHEMA, "star_except"]
    }

    fn star_except<'t>(&mut self, call: &ast::Function) -> Result<Vec<Target<'t>>> {
        let mut without = Vec::new();
        for arg in self.call_args("star_except", call)?.exprs {
            if let Ast::Identifier(ident) = arg {
                without.push(ident.clone());
            }
        }
        let all: Vec<_> = self.frame().items.iter().filter(|item| item.by_column).flat_map(Item::all).collect();
        all.iter().for_each(|column| self.reads(column.origin));
        for ident in &without {
            let name = Name::new(ident, self.ami);
            if !all.iter().any(|column| name.matches(&column.name, true)) {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{}\" does not exist", name.folded),
                ));
            }
        }
        let kept = all
            .into_iter()
            .filter(|column| !without.iter().any(|ident| Name::new(ident, true).matches(&column.name, true)));
        Ok(kept
            .map(|column| Target { name: column.name, expr: column.expr, origin: column.origin, ast: None })
            .collect())
    }

    /// `(expr).*` as the parser gives it, if it does.
    fn expand_record<'t>(&mut self, ast: &Ast) -> Result<Option<Vec<Target<'t>>>> {
        let Ast::CompoundFieldAccess { root, access_chain } = ast else { return Ok(None) };
        match access_chain.as_slice() {
            [ast::AccessExpr::Dot(Ast::Wildcard(_))] => {
                let record = self.record(root)?;
                self.record_fields(record).map(Some)
            }
            [fields @ .., ast::AccessExpr::Dot(Ast::Identifier(star))] if is_star_mark(star) => {
                let record = if fields.is_empty() { self.record(root)? } else { self.access(root, fields)? };
                self.record_fields(record).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn record_fields<'t>(&mut self, record: Expr) -> Result<Vec<Target<'t>>> {
        let made = |(name, expr): (String, Expr)| Target { name, expr, origin: (0, 0), ast: None };
        if let Expr::Row { fields, .. } = record {
            return Ok(fields.into_iter().map(|(name, expr)| made((name.to_string(), expr))).collect());
        }
        let set = match &record {
            Expr::Column(place, _) => place.checked_sub(SET_MARK).and_then(|i| self.level().sets.get(i).cloned()),
            _ => None,
        };
        if let Some(set) = set {
            let columns = set.function.columns.iter().zip(&set.columns).enumerate();
            return Ok(columns
                .map(|(field, ((name, _), ty))| {
                    made(((*name).to_owned(), Expr::Field { input: Box::new(record.clone()), field, ty: *ty }))
                })
                .collect());
        }
        if let Some(columns) = crate::plan::bind::call::record_columns(record.data_type()) {
            let columns = columns.into_iter().enumerate();
            return Ok(columns
                .map(|(field, (name, ty))| {
                    made((name.to_owned(), Expr::Field { input: Box::new(record.clone()), field, ty }))
                })
                .collect());
        }
        let ty = type_of(&record);
        let table = self.catalog.table_of_rows(ty).cloned();
        let Some(table) = table else {
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, "record type has not been registered"));
        };
        let columns = table.live_columns().enumerate();
        Ok(columns
            .map(|(field, (_, column))| {
                let input = Box::new(record.clone());
                made((column.name.clone(), Expr::Field { input, field, ty: column.ty }))
            })
            .collect())
    }

    fn qualified_star<'t>(
        &mut self,
        kind: &ast::SelectItemQualifiedWildcardKind,
        star: sqlparser::tokenizer::Span,
    ) -> Result<Vec<Target<'t>>> {
        let name = match kind {
            ast::SelectItemQualifiedWildcardKind::ObjectName(name) => name,
            ast::SelectItemQualifiedWildcardKind::Expr(ast) => {
                let record = self.expr(ast)?;
                return self.record_fields(record);
            }
        };
        let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last() else {
            return Err(SqlError::syntax("syntax error at or near \"*\""));
        };
        let wanted = Name::new(ident, self.ami);
        if let Some((item, depth)) = self.row_item(&wanted, None) {
            if let Some(ast::ObjectNamePart::Identifier(first)) = name.0.first() {
                let named: Vec<_> = item.all().into_iter().map(|one| (one.name, one.expr)).collect();
                self.note_star(first.span, star, &named, Some(&item));
            }
            item.all().iter().for_each(|column| self.reads(column.origin));
            let columns = item.all().into_iter().map(|mut column| {
                crate::plan::bind::scope::to_outer(&mut column.expr, depth);
                Target { name: column.name, expr: column.expr, origin: column.origin, ast: None }
            });
            return Ok(columns.collect());
        }
        // A composite column: `col.*`.
        if let Ok(record) = self.column(ident) {
            return self.record_fields(record);
        }
        Err(self.missing_item(&wanted, ident.span))
    }
}
