//! CREATE INDEX.

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, find_column, key_columns, names};
use crate::catalog::{ConstraintKind, IndexDef, IndexKey, IndexMethod, Reserved, TableDef, TriggerDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{fold, object_name};
use crate::types::{DataType, Oid, oid, shown_type};

/// The access method that a USING names. Errors: 42704.
fn method(using: Option<&ast::IndexType>) -> Result<IndexMethod> {
    Ok(match using {
        None | Some(ast::IndexType::BTree) => IndexMethod::Btree,
        Some(ast::IndexType::Hash) => IndexMethod::Hash,
        Some(ast::IndexType::GIN) => IndexMethod::Gin,
        Some(ast::IndexType::GiST) => IndexMethod::Gist,
        Some(ast::IndexType::SPGiST) => IndexMethod::SpGist,
        Some(ast::IndexType::BRIN) => IndexMethod::Brin,
        Some(other) => {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("access method \"{}\" does not exist", other.to_string().to_lowercase()),
            ));
        }
    })
}

/// Types that a btree cannot hold: they have no order.
const UNORDERED: &[Oid] = &[oid::JSON, 199, oid::XML, 143];

/// 42704 for a key of a btree whose type has no order (json, xml), unless an operator class is named.
pub(super) fn refuse_unordered(ty: DataType, method: IndexMethod) -> Result<()> {
    if !UNORDERED.contains(&ty.oid) || !matches!(method, IndexMethod::Btree | IndexMethod::Hash) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::UNDEFINED_OBJECT,
        format!(
            "data type {} has no default operator class for access method \"{}\"",
            shown_type(DataType::new(ty.oid)),
            format!("{method:?}").to_lowercase()
        ),
    )
    .hint("You must specify an operator class for the index or define a default operator class for the data type."))
}

/// The word that stands for an expression in a made-up name: a column's or function's name, or `expr` (PG-85).
pub(super) fn expression_word(expr: &ast::Expr) -> String {
    own_word(expr).map_or_else(|| "expr".to_owned(), |(word, _)| word)
}

/// The word, and whether it is the expression's own or only a weak one (`case`), which an inner name takes the place of.
fn own_word(expr: &ast::Expr) -> Option<(String, bool)> {
    use ast::Expr as E;
    let strong = |word: &str| Some((word.to_owned(), true));
    match expr {
        E::Identifier(ident) => Some((fold(ident), true)),
        E::Function(call) => object_name(&call.name).parts.pop().map(|name| (name, true)),
        E::Nested(inner) | E::Collate { expr: inner, .. } | E::Cast { expr: inner, .. } => own_word(inner),
        E::Case { else_result, .. } => {
            let inner = else_result.as_deref().and_then(own_word).filter(|(_, strong)| *strong);
            inner.or_else(|| Some(("case".to_owned(), false)))
        }
        E::Extract { .. } => strong("extract"),
        E::Substring { .. } => strong("substring"),
        E::Position { .. } => strong("position"),
        E::Overlay { .. } => strong("overlay"),
        E::Trim { trim_where, .. } => strong(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        E::Ceil { .. } => strong("ceil"),
        E::Floor { .. } => strong("floor"),
        E::AtTimeZone { .. } => strong("timezone"),
        E::Array(_) => strong("array"),
        _ => None,
    }
}

/// A word that the name does not have yet: a number tells the second from the first.
fn free_word(words: &[String], word: String) -> String {
    let numbered = |n: u32| if n == 0 { word.clone() } else { format!("{word}{n}") };
    (0..).map(numbered).find(|made| !words.contains(made)).unwrap_or(word.clone())
}

impl Ddl<'_> {
    pub(super) fn create_index(&self, create: &ast::CreateIndex) -> Result<String> {
        let table = self.own_table(&object_name(&create.table_name))?;
        self.lock(&table)?;
        let method = method(create.using.as_ref())?;
        if create.unique && !matches!(method, IndexMethod::Btree) {
            let name = format!("{method:?}").to_lowercase();
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("access method \"{name}\" does not support unique indexes"),
            ));
        }
        let mut keys = Vec::new();
        let mut words = Vec::new();
        for column in &create.columns {
            let (key, word) = self.index_key(&table, column)?;
            if key.operator_class.is_none() {
                refuse_unordered(key.ty, method)?;
            }
            keys.push(key);
            words.push(free_word(&words, word));
        }
        for place in key_columns(&table, &create.include)? {
            words.push(free_word(&words, table.columns[place].name.clone()));
        }
        let catalog = self.catalog()?;
        let name = match &create.name {
            Some(name) => super::last(name),
            None => names::relation(&catalog, table.schema, &table.name, &words.join("_"), "idx", &[]),
        };
        if catalog.relation(table.schema, &name).is_some() {
            if create.if_not_exists {
                self.notice(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists, skipping"));
                return Ok("CREATE INDEX".to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        let predicate = create.predicate.as_ref().map(ToString::to_string);
        if let Some(text) = &predicate {
            self.bind_condition(&table, text)?;
        }
        let index = IndexDef {
            oid: self.allocate_oid(),
            name,
            method,
            keys,
            include: key_columns(&table, &create.include)?,
            unique: create.unique,
            deferrable: false,
            nulls_not_distinct: create.nulls_distinct == Some(false),
            primary: false,
            predicate,
            constraint: 0,
            upsert: false,
            options: super::storage::index_options(method, &create.with)?,
            comment: None,
        };
        self.refuse_managed_unique(&table, &index)?;
        let mut changed = (*table).clone();
        changed.indexes.push(index);
        self.put_table(changed)?;
        Ok("CREATE INDEX".to_owned())
    }

    /// AMI-97: a target whose rows a trigger manages takes no unique index.
    pub(super) fn refuse_managed_unique(&self, table: &TableDef, index: &IndexDef) -> Result<()> {
        match self.maintainer(table)? {
            Some(trigger) if index.unique || index.upsert => {
                Err(unmaintainable(format!("table \"{}\" cannot have a unique index", table.name), &trigger))
            }
            _ => Ok(()),
        }
    }

    /// The trigger whose target a table is.
    fn maintainer(&self, table: &TableDef) -> Result<Option<Arc<TriggerDef>>> {
        let manages = |def: &&Arc<TriggerDef>| {
            matches!(def.kind.as_str(), "aggregate" | "projection" | "join") && def.tables.last() == Some(&table.id)
        };
        Ok(self.catalog()?.triggers_of(table.id).iter().find(manages).cloned())
    }

    /// AMI-97: what ALTER TABLE may not make of a target, given as it was before. Errors: 42P17.
    pub(super) fn refuse_unmaintainable(&self, before: &TableDef) -> Result<()> {
        let Some(trigger) = self.maintainer(before)? else { return Ok(()) };
        let now = self.table_now(before)?;
        let excludes = |index: &IndexDef| {
            let own =
                |kind: &ConstraintKind| matches!(kind, ConstraintKind::Exclude { index: oid, .. } if *oid == index.oid);
            now.constraints.iter().any(|constraint| own(&constraint.kind))
        };
        for index in &now.indexes {
            if !before.indexes.iter().any(|known| known.oid == index.oid) && (index.unique || excludes(index)) {
                let text = format!("table \"{}\" cannot have a unique or exclusion constraint", now.name);
                return Err(unmaintainable(text, &trigger));
            }
        }
        let expires =
            |table: &TableDef| (0..table.columns.len()).any(|place| table.reserved(place) == Some(Reserved::Expiry));
        if expires(&now) && !expires(before) {
            return Err(unmaintainable(format!("rows of table \"{}\" cannot expire", now.name), &trigger));
        }
        for (place, column) in now.live_columns().filter(|(_, column)| column.not_null) {
            let was = before.columns.get(place).is_some_and(|column| column.not_null);
            if !was && self.triggers_naming(&now, &column.name)?.is_empty() {
                let text = format!("column \"{}\" of table \"{}\" cannot refuse null", column.name, now.name);
                return Err(unmaintainable(text, &trigger));
            }
        }
        Ok(())
    }

    pub(super) fn index_key(&self, table: &TableDef, column: &ast::IndexColumn) -> Result<(IndexKey, String)> {
        let options = &column.column.options;
        let descending = matches!(options.sort, Some(ast::OrderBySort::Desc));
        let (expr, collation) = match &column.column.expr {
            ast::Expr::Collate { expr, collation } => (&**expr, object_name(collation).parts.pop()),
            other => (other, None),
        };
        let plain = match expr {
            ast::Expr::Identifier(ident) => {
                let name = fold(ident);
                let place = find_column(table, &name).ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
                })?;
                Some(place)
            }
            _ => None,
        };
        let (ty, word, text) = match plain {
            Some(place) => (table.columns[place].ty, table.columns[place].name.clone(), None),
            None => {
                let text = expr.to_string();
                (self.index_expression_type(table, &text)?, expression_word(expr), Some(text))
            }
        };
        let key = IndexKey {
            column: plain,
            expr: text,
            ty,
            descending,
            nulls_first: options.nulls_first.unwrap_or(descending),
            operator_class: column.operator_class.as_ref().and_then(|name| object_name(name).parts.pop()),
            collation,
        };
        Ok((key, word))
    }
}

fn unmaintainable(text: String, trigger: &TriggerDef) -> SqlError {
    SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, text)
        .detail(format!("It is maintained by trigger \"{}\".", trigger.name))
}
