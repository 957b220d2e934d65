//! Scopes: which names an expression may use, and where in a row they stand.
//!
//! A `Frame` is one row that expressions see: the one at the top of the stack is the current row (`Expr::Column`),
//! those below are rows of enclosing queries or the left side of a LATERAL join (`Expr::Outer`, depth counted from the
//! top). An `Item` is an entry of FROM. JOIN … USING hides columns of its sides behind an item of its own.

use std::borrow::Cow;
use std::sync::Arc;

use sqlparser::ast;

use crate::catalog::TableDef;
use crate::expr::Expr;
use crate::plan::visit;
use crate::types::{DataType, Oid, Value};

/// A name as written and as PostgreSQL folds it.
#[derive(Clone, Debug)]
pub(super) struct Name<'a> {
    /// As written.
    pub raw: &'a str,
    /// Lower case unless quoted, cut to 63 bytes.
    pub folded: Cow<'a, str>,
    /// Written in quotes, outside the AMI dialect.
    pub quoted: bool,
}

impl<'a> Name<'a> {
    /// The name of an identifier; `ami`: the statement is AMI's, where quotes do not ask for an exact match.
    pub(super) fn new(ident: &'a ast::Ident, ami: bool) -> Name<'a> {
        let quoted = ident.quote_style.is_some();
        let folded = if quoted || ami { Cow::Borrowed(cut_name(&ident.value)) } else { fold_name(&ident.value) };
        Name { raw: &ident.value, folded, quoted: quoted && !ami }
    }

    /// A name that was folded before.
    pub(super) fn plain(text: &'a str) -> Name<'a> {
        Name { raw: text, folded: Cow::Borrowed(text), quoted: true }
    }

    /// Whether `name` is meant: exactly, or (AMI-8) without regard to case when `loose`.
    pub(super) fn matches(&self, name: &str, loose: bool) -> bool {
        name == self.folded || (loose && !self.quoted && name.eq_ignore_ascii_case(self.raw))
    }
}

/// Cuts a name to the 63 bytes that PostgreSQL keeps.
pub(super) fn cut_name(name: &str) -> &str {
    if name.len() <= 63 {
        return name;
    }
    let mut end = 63;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// Folds an unquoted identifier.
pub(super) fn fold_name(name: &str) -> Cow<'_, str> {
    let name = cut_name(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// A column of an item that is not simply a table's.
#[derive(Clone, Debug)]
pub(super) struct ItemColumn {
    /// Name.
    pub name: String,
    /// Its value over the frame's row: a column, or COALESCE of two for FULL JOIN … USING.
    pub expr: Expr,
    /// Table and attribute it comes from.
    pub origin: (Oid, i16),
}

/// Columns of an item.
#[derive(Clone, Debug)]
pub(super) enum ItemColumns {
    /// Those of a table, in place, from `first` on.
    Table { def: Arc<TableDef>, first: usize },
    /// Others.
    List(Vec<ItemColumn>),
}

/// An entry of FROM.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Alias or name; none for an unnamed join.
    pub name: Option<String>,
    /// OID of the schema, for `schema.table.column`; none under an alias.
    pub schema: Option<Oid>,
    /// OID of the relation.
    pub relation: Oid,
    /// Type of a whole-row reference.
    pub row_type: Oid,
    /// Columns.
    pub columns: ItemColumns,
    /// `name.column` finds it.
    pub by_name: bool,
    /// Plain column names and `*` find it.
    pub by_column: bool,
    /// Names are looked up as AMI does.
    pub loose: bool,
    /// Place of the row id, if the scan gives one.
    pub row_id: Option<usize>,
    /// Whether its row may be missing: it stands on the far side of an outer join.
    pub nullable: bool,
    /// Place of a column that is true where its row is there, if there is one.
    pub mark: Option<usize>,
    /// A function of one plain value: its name alone is that value.
    pub scalar: bool,
}

impl Item {
    /// The column called `name`: (value, origin). `Err` if several match.
    pub(super) fn find(&self, name: &Name<'_>) -> Result<Option<(Expr, (Oid, i16))>, ()> {
        if let Some(found) = self.find_as(name, false)? {
            return Ok(Some(found));
        }
        if self.loose && !name.quoted { self.find_as(name, true) } else { Ok(None) }
    }

    fn find_as(&self, name: &Name<'_>, loose: bool) -> Result<Option<(Expr, (Oid, i16))>, ()> {
        match &self.columns {
            ItemColumns::Table { def, first } => {
                let mut found = None;
                for (place, column) in def.columns.iter().enumerate() {
                    if !column.dropped && name.matches(&column.name, loose) {
                        if found.is_some() {
                            return Err(());
                        }
                        found = Some((Expr::Column(first + place, column.ty), (def.id.0, attribute(place))));
                    }
                }
                Ok(found)
            }
            ItemColumns::List(columns) => {
                let mut matching = columns.iter().filter(|column| name.matches(&column.name, loose));
                let found = matching.next().map(|column| (column.expr.clone(), column.origin));
                if matching.next().is_some() { Err(()) } else { Ok(found) }
            }
        }
    }

    /// All columns: name, value, origin.
    pub(super) fn all(&self) -> Vec<ItemColumn> {
        match &self.columns {
            ItemColumns::Table { def, first } => def
                .live_columns()
                .map(|(place, column)| ItemColumn {
                    name: column.name.clone(),
                    expr: Expr::Column(first + place, column.ty),
                    origin: (def.id.0, attribute(place)),
                })
                .collect(),
            ItemColumns::List(columns) => columns.clone(),
        }
    }

    /// The whole row as one value.
    pub(super) fn row(&self) -> Expr {
        let mut columns = self.all();
        if self.scalar && columns.len() == 1 {
            return columns.remove(0).expr;
        }
        let ty = if self.row_type == 0 { DataType::RECORD } else { DataType::new(self.row_type) };
        let fields = columns.into_iter().map(|column| (Arc::from(column.name), column.expr)).collect();
        Expr::Row { fields, ty }
    }

    /// Moves it `by` places to the right.
    pub(super) fn shift(&mut self, by: usize) {
        if by == 0 {
            return;
        }
        match &mut self.columns {
            ItemColumns::Table { first, .. } => *first += by,
            ItemColumns::List(columns) => {
                for column in columns {
                    visit::map_columns(&mut column.expr, &|place| place + by);
                }
            }
        }
        for place in [&mut self.row_id, &mut self.mark].into_iter().flatten() {
            *place += by;
        }
    }
}

/// Attribute number of a column place.
pub(super) fn attribute(place: usize) -> i16 {
    i16::try_from(place + 1).unwrap_or(0)
}

/// One row that expressions see.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// Entries of FROM.
    pub items: Vec<Item>,
    /// Columns of the row.
    pub width: usize,
    /// Hidden: counts for depth only (left of a join whose right side is not LATERAL).
    pub hidden: bool,
    /// First use of each place of this frame as the current row, for messages: (place, where).
    pub uses: Vec<(usize, sqlparser::tokenizer::Span)>,
}

impl Frame {
    /// A name for the column at `place`: (item, column).
    pub(super) fn column_name(&self, place: usize) -> Option<(Option<String>, String)> {
        for item in self.items.iter().filter(|item| item.by_name || item.by_column) {
            match &item.columns {
                ItemColumns::Table { def, first } => {
                    if place >= *first && place < first + def.columns.len() {
                        return Some((item.name.clone(), def.columns[place - first].name.clone()));
                    }
                }
                ItemColumns::List(columns) => {
                    let mut named = columns.iter();
                    if let Some(column) = named.find(|c| matches!(c.expr, Expr::Column(at, _) if at == place)) {
                        return Some((item.name.clone(), column.name.clone()));
                    }
                }
            }
        }
        None
    }

    /// Where the column at `place` comes from.
    pub(super) fn origin(&self, place: usize) -> (Oid, i16) {
        for item in &self.items {
            match &item.columns {
                ItemColumns::Table { def, first } => {
                    if place >= *first && place < first + def.columns.len() {
                        return (def.id.0, attribute(place - first));
                    }
                }
                ItemColumns::List(columns) => {
                    let mut all = columns.iter();
                    if let Some(column) = all.find(|c| matches!(c.expr, Expr::Column(at, _) if at == place)) {
                        return column.origin;
                    }
                }
            }
        }
        (0, 0)
    }
}

/// Turns an expression over a frame's own row into one seen from `depth` rows further in.
pub(super) fn to_outer(expr: &mut Expr, depth: usize) {
    if depth == 0 {
        return;
    }
    match expr {
        Expr::Column(column, ty) => *expr = Expr::Outer { depth, column: *column, ty: *ty },
        Expr::Outer { depth: own, .. } => *own += depth,
        other => visit::operands_mut(other, &mut |operand| to_outer(operand, depth)),
    }
}

/// A NULL of the type.
pub(super) fn null_of(ty: DataType) -> Expr {
    Expr::Const(Value::Null, ty)
}
