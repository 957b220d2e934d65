//! What the names in a stored text stand for, noted while it is bound.
//!
//! The catalog keeps text. When something gets another name, the texts that name it must follow, and a view must keep the
//! columns that it had when `*` was written. Binding knows which identifier means what; here it says so, with the bytes
//! that the name takes. Only names of the text itself are noted, not those inside the views that it reads.

use std::cell::RefCell;
use std::sync::Arc;

use sqlparser::ast;
use sqlparser::tokenizer::Span as SqlSpan;

use super::scope::{Frame, Item, ItemColumn};
use super::{BindContext, Binder, Clause};
use crate::catalog::TableDef;
use crate::error::Result;
use crate::expr::Expr;
use crate::parse::DialectSetting;
use crate::plan::deparse::{quote_name, relation_name, type_text};
use crate::types::{DataType, Oid};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A column of a table or view: OID, attribute number.
    Column(Oid, i16),
    /// A column that JOIN … USING or NATURAL merges: its name may not change alone.
    Merged(Oid, i16),
    /// A table, view or sequence in FROM.
    Relation(Oid),
    /// A type that a user made.
    Type(Oid),
    /// A function that a user made.
    Function(Oid),
    /// `*` or `t.*`: the columns that it stands for, written out.
    Star(String),
}

/// A name in a text.
#[derive(Clone, Debug)]
pub struct NameUse {
    /// First byte.
    pub start: usize,
    /// The byte after.
    pub end: usize,
    /// What it stands for.
    pub named: Named,
    /// Of a column: its own name as it was found. Of a relation: the name that the query knows it by.
    pub name: String,
    /// Of a column: it is a whole item of a SELECT list, without an alias. Of a relation: it has an alias.
    pub bare: bool,
    /// Of a column: an item of a SELECT list that is more than the column takes its name from it (`c::text`).
    pub implied: bool,
}

/// The names that a query uses. Errors: as binding it.
pub fn query_uses(context: &BindContext<'_>, text: &str) -> Result<Vec<NameUse>> {
    let query = super::text::parse_query(text)?;
    let bind = |row_ids: bool| {
        let mut binder = Binder::new(context, false, &[], 0)?;
        binder.row_ids = row_ids;
        binder.positions = false;
        binder.uses = Some(RefCell::default());
        let bound = binder.query(&query, true);
        Ok::<_, crate::error::SqlError>((bound.map(|_| ()), binder))
    };
    let (mut bound, mut binder) = bind(false)?;
    if bound.is_err() && binder.wants_row_ids {
        (bound, binder) = bind(true)?;
    }
    bound?;
    Ok(binder.uses.take().map(RefCell::into_inner).unwrap_or_default())
}

/// The names that a stored expression uses, over the table's row if there is one. Errors: as binding it.
pub fn expression_uses(context: &BindContext<'_>, text: &str, table: Option<&Arc<TableDef>>) -> Result<Vec<NameUse>> {
    let tree = super::text::parse_expr(text)?;
    let mut binder = super::text::text_binder(context, table, Clause::Transform)?;
    binder.uses = Some(RefCell::default());
    binder.expr(&tree)?;
    Ok(binder.uses.take().map(RefCell::into_inner).unwrap_or_default())
}

/// The names that a domain's condition uses. Errors: as binding it.
pub fn domain_uses(context: &BindContext<'_>, text: &str, base: DataType) -> Result<Vec<NameUse>> {
    let tree = super::text::parse_expr(text)?;
    let mut binder = super::text::text_binder(context, None, Clause::Check)?;
    let value = ItemColumn { name: "value".to_owned(), expr: Expr::Column(0, base), origin: (0, 0) };
    let item = binder.list_item(vec![value], None, None)?;
    binder.frames.push(Frame { items: vec![item], width: 1, hidden: false, uses: Vec::new() });
    binder.uses = Some(RefCell::default());
    binder.expr(&tree)?;
    Ok(binder.uses.take().map(RefCell::into_inner).unwrap_or_default())
}

/// A view's query as pg_get_viewdef shows it: what the search path does not find has its schema, and the columns have the
/// view's names. `path`: the schemas that the text was written under. Errors: as binding it.
pub fn view_text(context: &BindContext<'_>, text: &str, path: &[Oid], columns: &[String]) -> Result<String> {
    let under = BindContext { search_path: path, ..*context };
    let uses = query_uses(&under, text)?;
    let catalog = context.catalogs.database(context.database);
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    for one in &uses {
        let shown = catalog.and_then(|catalog| match &one.named {
            Named::Relation(oid) => Some(relation_name(catalog, context.search_path, &catalog.relation_by_oid(*oid)?)),
            Named::Type(oid) => Some(type_text(catalog, context.search_path, DataType::new(*oid))),
            Named::Function(oid) => {
                let def = catalog.function(*oid)?;
                let seen = context.search_path.contains(&def.schema);
                let schema = catalog.schema(def.schema).map_or("", |schema| schema.name.as_str());
                Some(if seen {
                    quote_name(&def.name)
                } else {
                    format!("{}.{}", quote_name(schema), quote_name(&def.name))
                })
            }
            _ => None,
        });
        edits.extend(shown.map(|shown| (one.start, one.end, shown)));
    }
    edits.sort_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (String::with_capacity(text.len() + 32), 0);
    for (start, end, new) in edits {
        if start >= at && end <= text.len() {
            out.push_str(&text[at..start]);
            out.push_str(&new);
            at = end;
        }
    }
    out.push_str(&text[at..]);
    let parsed = crate::parse::parse_one(&out, &crate::parse::ParseOptions { dialect: DialectSetting::Postgres })?;
    let everywhere = BindContext { search_path: context.search_path, ..*context };
    let own = crate::plan::plan(&parsed, &everywhere, &[])?.columns;
    if own.iter().map(|column| &column.name).eq(columns) {
        return Ok(out);
    }
    Ok(renamed(&out, columns).unwrap_or_else(|| {
        let names = columns.iter().map(|name| quote_name(name)).collect::<Vec<_>>();
        let items = names.iter().map(|name| format!("v.{name}")).collect::<Vec<_>>();
        format!("SELECT {} FROM ({out}) v({})", items.join(", "), names.join(", "))
    }))
}

/// A plain SELECT whose items have these names; none if the names may matter elsewhere in it.
fn renamed(text: &str, columns: &[String]) -> Option<String> {
    let mut query = super::text::parse_query(text).ok()?;
    let numbered = |expr: &ast::Expr| matches!(expr, ast::Expr::Value(_) | ast::Expr::CompoundIdentifier(_));
    let ordered = match query.order_by.as_ref().map(|order| &order.kind) {
        None => true,
        Some(ast::OrderByKind::Expressions(keys)) => keys.iter().all(|key| numbered(&key.expr)),
        Some(ast::OrderByKind::All(_)) => false,
    };
    if !ordered || query.with.is_some() {
        return None;
    }
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return None };
    match &select.group_by {
        ast::GroupByExpr::Expressions(exprs, more) if more.is_empty() && exprs.iter().all(numbered) => {}
        _ => return None,
    }
    if select.projection.len() != columns.len() {
        return None;
    }
    for (item, name) in select.projection.iter_mut().zip(columns) {
        let expr = match item {
            ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
            _ => return None,
        };
        *item = ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::with_quote('"', name) };
    }
    Some(query.to_string())
}

/// First byte of a span, and the byte after; none for a name that the text does not have.
fn place(span: SqlSpan) -> Option<(usize, usize)> {
    let offset = |column: u64| usize::try_from(column.checked_sub(1)?).ok();
    if span.start.line != 1 {
        return None;
    }
    Some((offset(span.start.column)?, offset(span.end.column)?))
}

fn span_of(name: &ast::ObjectName) -> Option<(usize, usize)> {
    let ident = |part: &ast::ObjectNamePart| match part {
        ast::ObjectNamePart::Identifier(ident) => place(ident.span),
        ast::ObjectNamePart::Function(_) => None,
    };
    Some((ident(name.0.first()?)?.0, ident(name.0.last()?)?.1))
}

impl Binder<'_> {
    fn note(&self, at: Option<(usize, usize)>, named: Named, name: String, bare: bool) {
        if let (Some(uses), Some((start, end))) = (&self.uses, at) {
            uses.borrow_mut().push(NameUse { start, end, named, name, bare, implied: false });
        }
    }

    /// A column found in an item. What a subquery gives has names of its own.
    pub(super) fn note_column(&self, (relation, joined): (Oid, bool), origin: (Oid, i16), name: &str, span: SqlSpan) {
        if origin.0 != 0 && (relation == origin.0 || joined) {
            self.note(place(span), Named::Column(origin.0, origin.1), name.to_owned(), false);
        }
    }

    /// How many names were noted so far.
    pub(super) fn noted(&self) -> usize {
        self.uses.as_ref().map_or(0, |uses| uses.borrow().len())
    }

    /// An item of a SELECT list without an alias, noted from `first` on: it is a column, or has its name from one.
    pub(super) fn note_item(&self, ast: &ast::Expr, name: &str, first: usize) {
        let Some(uses) = &self.uses else { return };
        let ident = match ast {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        let mut uses = uses.borrow_mut();
        let own = uses.iter_mut().skip(first).filter(|one| matches!(one.named, Named::Column(..)) && one.name == name);
        let Some(last) = own.last() else { return };
        match ident.and_then(|ident| place(ident.span)) {
            Some((start, _)) => last.bare = last.start == start,
            None => last.implied = true,
        }
    }

    pub(super) fn note_merged(&self, origin: (Oid, i16), ident: &ast::Ident) {
        if self.uses.is_some() && origin.0 != 0 {
            // NATURAL has no name to point at.
            let at = place(ident.span).unwrap_or_default();
            self.note(Some(at), Named::Merged(origin.0, origin.1), self.fold(ident), false);
        }
    }

    pub(super) fn note_relation(&self, name: &ast::ObjectName, relation: Oid, alias: bool) {
        if self.uses.is_some() {
            let own = self.name_parts(name).pop().unwrap_or_default();
            self.note(span_of(name), Named::Relation(relation), own, alias);
        }
    }

    pub(super) fn note_type(&self, name: &ast::ObjectName, ty: Oid) {
        if self.uses.is_some() {
            let own = self.name_parts(name).pop().unwrap_or_default();
            self.note(span_of(name), Named::Type(ty), own, false);
        }
    }

    pub(super) fn note_function(&self, name: &ast::ObjectName, function: Oid) {
        if self.uses.is_some() {
            let own = self.name_parts(name).pop().unwrap_or_default();
            self.note(span_of(name), Named::Function(function), own, false);
        }
    }

    /// A star over columns of the frame: written out, each by the entry of FROM that has it.
    pub(super) fn note_star(&self, from: SqlSpan, star: SqlSpan, columns: &[(String, Expr)], only: Option<&Item>) {
        if self.uses.is_none() {
            return;
        }
        let (Some((start, _)), Some((_, end))) = (place(from), place(star)) else { return };
        let Some(frame) = self.frames.last() else { return };
        let place_of = |expr: &Expr| match expr {
            Expr::Column(place, _) => Some(*place),
            _ => None,
        };
        let mut written = Vec::with_capacity(columns.len());
        for (name, expr) in columns {
            let items: Vec<&Item> = match only {
                Some(item) => vec![item],
                None => frame.items.iter().filter(|item| item.by_name).collect(),
            };
            let owner = items.into_iter().find_map(|item| {
                let own = item.all().into_iter().find(|own| {
                    only.is_some() && own.name == *name
                        || place_of(expr).is_some() && place_of(&own.expr) == place_of(expr)
                })?;
                Some((item.name.clone()?, own.name))
            });
            written.push(match owner {
                Some((item, own)) if own == *name => format!("{}.{}", quote_name(&item), quote_name(name)),
                _ => quote_name(name),
            });
        }
        self.note(Some((start, end)), Named::Star(written.join(", ")), String::new(), false);
    }
}

/// Whether an entry of FROM is the merged columns of a join.
pub(super) fn is_joined(item: &Item) -> bool {
    item.name.is_none() && !item.by_name && item.relation == 0
}
