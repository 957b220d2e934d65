//! Stored texts follow a change of names.
//!
//! Views, defaults, conditions, generated columns, index keys and domains are kept as SQL text. Before something gets
//! another name or schema, `follow` asks the planner what the names in these texts stand for; afterwards it writes the new
//! names in the same places and asks again: a text whose names do not stand for the same things as before refuses the
//! change (0A000), so none ever comes to mean something else. Bodies of functions are not looked at: PostgreSQL takes
//! them as they are too.

use std::sync::Arc;

use sqlparser::ast;

use super::Ddl;
use crate::catalog::{Catalog, ConstraintKind, DomainDef, Entry, PG_CATALOG, Relation, TableDef, TableId};
use crate::catalog::{TableShape, TypeDef, TypeKind};
use crate::error::{Result, SqlError};
use crate::exec::planning::with_bind_context;
use crate::parse::{fold, item_end, object_name, parse_name, relation_literals};
use crate::plan::deparse::quote_name;
use crate::plan::{BindContext, NameUse, Named, expression_uses, query_uses};
use crate::types::Oid;

/// Where a text is kept.
#[derive(Clone, Copy, Debug)]
enum Place {
    View(Oid),
    MaterializedView(TableId),
    /// A column's default, its generation expression.
    Default(TableId, usize),
    Generated(TableId, usize),
    /// The constraint's place.
    Check(TableId, usize),
    /// An index's OID and the key's place; its predicate.
    Key(TableId, Oid, usize),
    Predicate(TableId, Oid),
    DomainDefault(Oid),
    /// The condition's place.
    DomainCheck(Oid, usize),
}

/// A text that names something, as it was.
struct Stored {
    place: Place,
    text: String,
    /// Names of the schemas searched; none: the session's.
    path: Option<Vec<String>>,
    uses: Vec<NameUse>,
    /// Literals that name relations: first byte, byte after, OID.
    literals: Vec<(usize, usize, Oid)>,
}

/// Schema and name of an object; of a column its name alone.
type FullName = (Option<String>, String);

fn name_of(catalog: &Catalog, named: &Named) -> Option<FullName> {
    let schema = |oid: Oid| Some(crate::system::schema_name(catalog, oid));
    let column = |(relation, attribute): (Oid, i16)| {
        let place = usize::try_from(attribute).ok()?.checked_sub(1)?;
        let columns = match catalog.relation_by_oid(relation)? {
            Relation::Table(def) => def.columns.get(place).map(|column| column.name.clone()),
            Relation::View(def) => def.columns.get(place).map(|column| column.name.clone()),
            _ => None,
        };
        columns.map(|name| (None, name))
    };
    match named {
        Named::Column(relation, attribute) | Named::Merged(relation, attribute) => column((*relation, *attribute)),
        Named::Relation(oid) => match catalog.relation_by_oid(*oid)? {
            Relation::Table(def) => Some((schema(def.schema), def.name.clone())),
            Relation::View(def) => Some((schema(def.schema), def.name.clone())),
            Relation::Sequence(def) => Some((schema(def.schema), def.name.clone())),
            Relation::Index(..) => None,
        },
        Named::Type(oid) => {
            if let Some(def) = catalog.user_type(*oid) {
                return Some((schema(def.schema), def.name.clone()));
            }
            if let Some(def) = catalog.table_of_row_type(*oid) {
                return Some((schema(def.schema), def.name.clone()));
            }
            let view = catalog.views().find(|view| view.row_type == *oid)?;
            Some((schema(view.schema), view.name.clone()))
        }
        Named::Function(oid) => catalog.function(*oid).map(|def| (schema(def.schema), def.name.clone())),
        Named::Star(_) => None,
    }
}

fn written((schema, name): &FullName) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_name(schema), quote_name(name)),
        None => quote_name(name),
    }
}

/// Puts texts in the place of bytes.
fn edited(text: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (String::with_capacity(text.len() + 32), 0);
    for (start, end, new) in edits {
        // Two names never share bytes; of the same place only the first is written.
        if start < at || end > text.len() {
            continue;
        }
        out.push_str(&text[at..start]);
        out.push_str(&new);
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

/// A table's own texts may name its columns by the table: that it is about to be called otherwise does not concern them.
pub(super) fn forget_own_name(table: &mut TableDef) -> Result<()> {
    let name = table.name.clone();
    let plain = |text: &str| {
        let mut tree = crate::parse::parse_expr(text)?;
        let mut any = false;
        let _ = ast::visit_expressions_mut(&mut tree, |expr| {
            if let ast::Expr::CompoundIdentifier(parts) = expr
                && let [table, column] = parts.as_slice()
                && fold(table) == name
            {
                *expr = ast::Expr::Identifier(column.clone());
                any = true;
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        Ok::<_, SqlError>(if any { tree.to_string() } else { text.to_owned() })
    };
    for column in &mut table.columns {
        if let Some(generated) = &mut column.generated {
            generated.expr = plain(&generated.expr)?;
        }
    }
    for constraint in &mut table.constraints {
        if let ConstraintKind::Check { expr, .. } = &mut constraint.kind {
            *expr = plain(expr)?;
        }
    }
    for index in &mut table.indexes {
        let keys = index.keys.iter_mut().filter_map(|key| key.expr.as_mut());
        for text in keys.chain(index.predicate.as_mut()) {
            *text = plain(text)?;
        }
    }
    Ok(())
}

/// Whether the names of two texts stand for the same things, in the same order.
fn same_meaning(one: &[NameUse], other: &[NameUse]) -> bool {
    let same = |(a, b): (&NameUse, &NameUse)| match (&a.named, &b.named) {
        (Named::Star(_), Named::Star(_)) => true,
        (a, b) => a == b,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

impl Ddl<'_> {
    /// Runs `work`, which gives something another name or schema; the texts that name it follow. Errors: those of `work`;
    /// 0A000 for a text that cannot follow.
    pub(super) fn follow<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.catalog()?;
        let texts = self.texts_that_name(&before)?;
        let done = work()?;
        let after = self.catalog()?;
        texts.iter().try_for_each(|stored| self.let_follow(stored, &before, &after))?;
        Ok(done)
    }

    /// A text whose names say their schemas, so that it means the same whatever path is searched when it is read.
    fn with_schemas(&self, text: &str, uses: Result<Vec<NameUse>>) -> String {
        let (Ok(uses), Ok(catalog)) = (uses, self.catalog()) else { return text.to_owned() };
        let mut edits = Vec::new();
        for one in &uses {
            if matches!(one.named, Named::Relation(_) | Named::Type(_) | Named::Function(_)) {
                edits.extend(name_of(&catalog, &one.named).map(|name| (one.start, one.end, written(&name))));
            }
        }
        for (start, end, value) in relation_literals(text) {
            let name = parse_name(&value).ok().map(|name| object_name(&name));
            let oid = name.and_then(|name| self.relation_under(None, &name.parts));
            let full = oid.and_then(|oid| name_of(&catalog, &Named::Relation(oid)));
            edits.extend(full.map(|full| (start, end, format!("'{}'", written(&full).replace('\'', "''")))));
        }
        if edits.is_empty() { text.to_owned() } else { edited(text, edits) }
    }

    /// Lets the texts of a table that are new name things with their schemas.
    pub(super) fn say_schemas(&self, def: &mut TableDef, before: Option<&Arc<TableDef>>) {
        if def.dialect == "ami" {
            return;
        }
        let same = before.is_some_and(|before| {
            let texts = |table: &TableDef| {
                let columns = table.columns.iter().flat_map(|own| {
                    [own.default.clone(), own.generated.as_ref().map(|generated| generated.expr.clone())]
                });
                columns.flatten().count() + table.constraints.len() + table.indexes.len()
            };
            texts(before) == 0 && texts(def) == 0
        });
        if same {
            return;
        }
        let whole = Arc::new(def.clone());
        let over_row = |text: &str| self.bind(|context| expression_uses(context, text, Some(&whole)));
        for (place, column) in def.columns.iter_mut().enumerate() {
            let old = before.and_then(|before| before.columns.get(place));
            if let Some(text) =
                column.default.as_mut().filter(|text| old.and_then(|old| old.default.as_ref()) != Some(*text))
            {
                *text = self.with_schemas(text, self.bind(|context| expression_uses(context, text, None)));
            }
            if let Some(generated) = &mut column.generated {
                let old = old.and_then(|old| old.generated.as_ref()).map(|own| &own.expr);
                if old != Some(&generated.expr) {
                    generated.expr = self.with_schemas(&generated.expr, over_row(&generated.expr));
                }
            }
        }
        for constraint in &mut def.constraints {
            let old = before.and_then(|before| before.constraints.iter().find(|own| own.oid == constraint.oid));
            if let ConstraintKind::Check { expr, .. } = &mut constraint.kind {
                if matches!(old.map(|old| &old.kind), Some(ConstraintKind::Check { expr: before, .. }) if before == expr)
                {
                    continue;
                }
                *expr = self.with_schemas(expr, over_row(expr));
            }
        }
        for index in &mut def.indexes {
            if before.is_some_and(|before| before.indexes.iter().any(|own| own.oid == index.oid)) {
                continue;
            }
            for text in index.keys.iter_mut().filter_map(|key| key.expr.as_mut()).chain(index.predicate.as_mut()) {
                *text = self.with_schemas(text, over_row(text));
            }
        }
    }

    /// The same of a domain.
    pub(super) fn say_schemas_of_domain(&self, domain: &mut DomainDef) {
        if let Some(text) = &mut domain.default {
            *text = self.with_schemas(text, self.bind(|context| expression_uses(context, text, None)));
        }
        let base = domain.base;
        for check in &mut domain.checks {
            let uses = self.bind(|context| crate::plan::domain_uses(context, &check.expr, base));
            check.expr = self.with_schemas(&check.expr, uses);
        }
    }

    /// A query with every `*` written out, so that it keeps the columns that it has now.
    pub(super) fn without_stars(&self, query: &str) -> String {
        let Ok(uses) = self.bind(|context| query_uses(context, query)) else { return query.to_owned() };
        let star = |one: NameUse| match one.named {
            Named::Star(columns) if !columns.is_empty() => Some((one.start, one.end, columns)),
            _ => None,
        };
        let edits: Vec<_> = uses.into_iter().filter_map(star).collect();
        if edits.is_empty() {
            return query.to_owned();
        }
        let made = edited(query, edits);
        // Names that the list cannot say apart stay a star.
        if self.query_columns(&made).is_ok() { made } else { query.to_owned() }
    }

    /// Asks the planner under the search path that a text was written under; none: the session's.
    pub(super) fn under_path<T>(
        &self,
        path: Option<&[String]>,
        work: impl FnOnce(&BindContext<'_>) -> Result<T>,
    ) -> Result<T> {
        let Some(path) = path else { return self.bind(work) };
        let catalog = self.catalog()?;
        let found = path.iter().filter_map(|name| catalog.schema_by_name(name).map(|def| def.oid));
        let path: Vec<Oid> = std::iter::once(PG_CATALOG).chain(found).collect();
        with_bind_context(self.backend, |context| work(&BindContext { search_path: &path, ..*context }))
    }

    fn texts_that_name(&self, catalog: &Catalog) -> Result<Vec<Stored>> {
        let mut found = Vec::new();
        for view in catalog.views() {
            found.extend(self.stored(Place::View(view.oid), &view.query, Some(&view.search_path), None));
        }
        for table in catalog.tables() {
            self.texts_of_table(table, &mut found);
        }
        for def in catalog.types() {
            let TypeKind::Domain(domain) = &def.kind else { continue };
            let default = domain.default.as_deref();
            found.extend(default.and_then(|text| self.stored(Place::DomainDefault(def.oid), text, None, None)));
            for (place, check) in domain.checks.iter().enumerate() {
                found.extend(self.stored(Place::DomainCheck(def.oid, place), &check.expr, None, None));
            }
        }
        Ok(found)
    }

    fn texts_of_table(&self, table: &Arc<TableDef>, found: &mut Vec<Stored>) {
        let id = table.id;
        if let TableShape::Materialized { query, search_path, .. } = &table.shape {
            found.extend(self.stored(Place::MaterializedView(id), query, Some(search_path), None));
        }
        for (place, column) in table.live_columns() {
            let default = column.default.as_deref();
            found.extend(default.and_then(|text| self.stored(Place::Default(id, place), text, None, None)));
            let generated = column.generated.as_ref().map(|generated| generated.expr.as_str());
            found.extend(generated.and_then(|text| self.stored(Place::Generated(id, place), text, None, Some(table))));
        }
        for (place, constraint) in table.constraints.iter().enumerate() {
            if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                found.extend(self.stored(Place::Check(id, place), expr, None, Some(table)));
            }
        }
        for index in &table.indexes {
            for (place, key) in index.keys.iter().enumerate() {
                let text = key.expr.as_deref();
                found.extend(
                    text.and_then(|text| self.stored(Place::Key(id, index.oid, place), text, None, Some(table))),
                );
            }
            let text = index.predicate.as_deref();
            found.extend(text.and_then(|text| self.stored(Place::Predicate(id, index.oid), text, None, Some(table))));
        }
    }

    /// A text with what it names; none if that is nothing that can be renamed, or if it cannot be bound as it is.
    fn stored(
        &self,
        place: Place,
        text: &str,
        path: Option<&[String]>,
        table: Option<&Arc<TableDef>>,
    ) -> Option<Stored> {
        let uses = self.under_path(path, |context| uses_of(context, place, text, table)).ok()?;
        let mut literals = Vec::new();
        for (start, end, value) in relation_literals(text) {
            let name = parse_name(&value).ok().map(|name| object_name(&name));
            let oid = name.and_then(|name| self.relation_under(path, &name.parts));
            literals.extend(oid.map(|oid| (start, end, oid)));
        }
        let path = path.map(<[String]>::to_vec);
        let any = !(uses.is_empty() && literals.is_empty());
        any.then(|| Stored { place, text: text.to_owned(), path, uses, literals })
    }

    fn relation_under(&self, path: Option<&[String]>, parts: &[String]) -> Option<Oid> {
        let catalog = self.catalog().ok()?;
        let found = match parts {
            [name] => {
                let schemas = match path {
                    None => self.searched(),
                    Some(path) => {
                        path.iter().filter_map(|name| catalog.schema_by_name(name).map(|def| def.oid)).collect()
                    }
                };
                schemas.into_iter().find_map(|schema| catalog.relation(schema, name))
            }
            [schema, name] => catalog.schema_by_name(schema).and_then(|def| catalog.relation(def.oid, name)),
            _ => None,
        };
        found.map(|relation| relation.oid())
    }

    /// Writes the new names into one text.
    fn let_follow(&self, stored: &Stored, before: &Catalog, after: &Catalog) -> Result<()> {
        let path = self.path_now(stored, before, after);
        let mut edits = Vec::new();
        for one in &stored.uses {
            let (Some(old), Some(new)) = (name_of(before, &one.named), name_of(after, &one.named)) else { continue };
            if old == new {
                continue;
            }
            if one.implied
                && one.name == old.1
                && let Some(end) = item_end(&stored.text, one.start)
            {
                edits.push((end, end, format!(" AS {}", quote_name(&old.1))));
            }
            edits.extend(match &one.named {
                Named::Column(..) if one.name != old.1 => None,
                Named::Column(..) if one.bare => {
                    Some((one.start, one.end, format!("{} AS {}", written(&new), quote_name(&old.1))))
                }
                Named::Relation(_) if !one.bare && one.name != new.1 => {
                    Some((one.start, one.end, format!("{} AS {}", written(&new), quote_name(&one.name))))
                }
                Named::Merged(..) => return Err(self.cannot_follow(stored, after)),
                _ => Some((one.start, one.end, written(&new))),
            });
        }
        for (start, end, oid) in &stored.literals {
            let (old, new) = (name_of(before, &Named::Relation(*oid)), name_of(after, &Named::Relation(*oid)));
            if let (Some(old), Some(new)) = (old, new)
                && old != new
            {
                edits.push((*start, *end, format!("'{}'", written(&new).replace('\'', "''"))));
            }
        }
        if edits.is_empty() && path == stored.path {
            return Ok(());
        }
        let text = edited(&stored.text, edits);
        // A table's own columns were renamed in its texts already.
        let table = self.table_of(stored.place)?;
        if self.text_now(stored.place, table.as_ref()).is_some_and(|now| now != stored.text) {
            return Ok(());
        }
        let uses = self.under_path(path.as_deref(), |context| uses_of(context, stored.place, &text, table.as_ref()));
        if !uses.is_ok_and(|uses| same_meaning(&uses, &stored.uses)) {
            return Err(self.cannot_follow(stored, after));
        }
        self.put_text(stored.place, text, path)
    }

    /// The search path of a view with the names that its schemas have now.
    fn path_now(&self, stored: &Stored, before: &Catalog, after: &Catalog) -> Option<Vec<String>> {
        let now = |name: &String| {
            let schema = before.schema_by_name(name).and_then(|def| after.schema(def.oid));
            schema.map_or_else(|| name.clone(), |def| def.name.clone())
        };
        stored.path.as_ref().map(|path| path.iter().map(now).collect())
    }

    fn cannot_follow(&self, stored: &Stored, catalog: &Catalog) -> SqlError {
        let table = |id: TableId| catalog.table(id).map(|def| def.name.clone()).unwrap_or_default();
        let what = match stored.place {
            Place::View(oid) => {
                format!("view {}", catalog.view(oid).map(|def| def.name.clone()).unwrap_or_default())
            }
            Place::MaterializedView(id) => format!("materialized view {}", table(id)),
            Place::Default(id, _)
            | Place::Generated(id, _)
            | Place::Check(id, _)
            | Place::Key(id, ..)
            | Place::Predicate(id, _) => {
                format!("an expression of table {}", table(id))
            }
            Place::DomainDefault(oid) | Place::DomainCheck(oid, _) => {
                format!("domain {}", catalog.user_type(oid).map(|def| def.name.clone()).unwrap_or_default())
            }
        };
        SqlError::unsupported(format!("a new name for what {what} names in this way"))
            .detail(stored.text.clone())
            .hint("Drop it, rename, and create it again.")
    }

    fn table_of(&self, place: Place) -> Result<Option<Arc<TableDef>>> {
        let id = match place {
            Place::Default(id, _)
            | Place::Generated(id, _)
            | Place::Check(id, _)
            | Place::Key(id, ..)
            | Place::Predicate(id, _)
            | Place::MaterializedView(id) => id,
            _ => return Ok(None),
        };
        Ok(self.catalog()?.table(id).cloned())
    }

    fn text_now<'t>(&self, place: Place, table: Option<&'t Arc<TableDef>>) -> Option<&'t str> {
        let table = table?;
        let index = |oid: Oid| table.indexes.iter().find(|index| index.oid == oid);
        match place {
            Place::Default(_, column) => table.columns.get(column)?.default.as_deref(),
            Place::Generated(_, column) => table.columns.get(column)?.generated.as_ref().map(|own| own.expr.as_str()),
            Place::Check(_, place) => match &table.constraints.get(place)?.kind {
                ConstraintKind::Check { expr, .. } => Some(expr),
                _ => None,
            },
            Place::Key(_, oid, key) => index(oid)?.keys.get(key)?.expr.as_deref(),
            Place::Predicate(_, oid) => index(oid)?.predicate.as_deref(),
            _ => None,
        }
    }

    fn put_text(&self, place: Place, text: String, path: Option<Vec<String>>) -> Result<()> {
        let catalog = self.catalog()?;
        match place {
            Place::View(oid) => {
                let Some(view) = catalog.view(oid) else { return Ok(()) };
                let mut changed = (**view).clone();
                changed.query = text;
                changed.search_path = path.unwrap_or_default();
                return self.put(Entry::View(Arc::new(changed)));
            }
            Place::DomainDefault(oid) | Place::DomainCheck(oid, _) => {
                let Some(def) = catalog.user_type(oid).cloned() else { return Ok(()) };
                let TypeKind::Domain(domain) = &def.kind else { return Ok(()) };
                let mut changed: DomainDef = domain.clone();
                match place {
                    Place::DomainCheck(_, at) => changed.checks[at].expr = text,
                    _ => changed.default = Some(text),
                }
                return self.put_type(TypeDef { kind: TypeKind::Domain(changed), ..(*def).clone() });
            }
            _ => {}
        }
        let Some(table) = self.table_of(place)? else { return Ok(()) };
        let mut changed = (*table).clone();
        match place {
            Place::MaterializedView(_) => {
                if let TableShape::Materialized { query, search_path, .. } = &mut changed.shape {
                    *query = text;
                    *search_path = path.unwrap_or_default();
                }
            }
            Place::Default(_, column) => changed.columns[column].default = Some(text),
            Place::Generated(_, column) => {
                if let Some(generated) = &mut changed.columns[column].generated {
                    generated.expr = text;
                }
            }
            Place::Check(_, at) => {
                if let ConstraintKind::Check { expr, .. } = &mut changed.constraints[at].kind {
                    *expr = text;
                }
            }
            Place::Key(_, oid, key) => {
                if let Some(index) = changed.indexes.iter_mut().find(|index| index.oid == oid) {
                    index.keys[key].expr = Some(text);
                }
            }
            Place::Predicate(_, oid) => {
                if let Some(index) = changed.indexes.iter_mut().find(|index| index.oid == oid) {
                    index.predicate = Some(text);
                }
            }
            _ => {}
        }
        self.put_table(changed).map(|_| ())
    }
}

fn uses_of(context: &BindContext<'_>, place: Place, text: &str, table: Option<&Arc<TableDef>>) -> Result<Vec<NameUse>> {
    match place {
        Place::View(_) | Place::MaterializedView(_) => query_uses(context, text),
        Place::Default(..) | Place::DomainDefault(_) => expression_uses(context, text, None),
        Place::DomainCheck(oid, _) => {
            let catalog = context.catalogs.database(context.database);
            let base = catalog.and_then(|catalog| match &catalog.user_type(oid)?.kind {
                TypeKind::Domain(domain) => Some(domain.base),
                TypeKind::Enum(_) => None,
            });
            crate::plan::domain_uses(context, text, base.unwrap_or(crate::types::DataType::TEXT))
        }
        _ => expression_uses(context, text, table),
    }
}
