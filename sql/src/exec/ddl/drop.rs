//! DROP TABLE, VIEW, INDEX, SEQUENCE, SCHEMA, ROLE.

use std::sync::Arc;

use sqlparser::ast;

use super::dependency::{self, Dependent};
use super::{Ddl, bare};
use crate::catalog::{ConstraintKind, Entry, EntryKey, Relation, SequenceDef, TableDef, TableShape, TypeKind};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{ObjectName, object_name};
use crate::types::Oid;

impl Ddl<'_> {
    pub(super) fn drop_objects(
        &self,
        kind: ast::ObjectType,
        if_exists: bool,
        names: &[ast::ObjectName],
        cascade: bool,
    ) -> Result<String> {
        let names: Vec<ObjectName> = names.iter().map(object_name).collect();
        match kind {
            ast::ObjectType::Table => self.drop_tables(&names, if_exists, cascade)?,
            ast::ObjectType::View => {
                for name in &names {
                    self.drop_view(name, if_exists, cascade)?;
                }
            }
            ast::ObjectType::Index => {
                for name in &names {
                    self.drop_index(name, if_exists, cascade)?;
                }
            }
            ast::ObjectType::Sequence => {
                for name in &names {
                    self.drop_sequence_named(name, if_exists, cascade)?;
                }
            }
            ast::ObjectType::Schema => {
                for name in &names {
                    self.drop_schema(name, if_exists, cascade)?;
                }
            }
            ast::ObjectType::Role | ast::ObjectType::User => {
                let names: Vec<String> = names.iter().map(|name| bare(name).to_owned()).collect();
                return self.drop_roles(&names, if_exists);
            }
            ast::ObjectType::MaterializedView => {
                for name in &names {
                    self.drop_matview(name, if_exists, cascade)?;
                }
            }
            ast::ObjectType::Type => self.drop_types(&names, if_exists, cascade, false)?,
            ast::ObjectType::Database => return self.drop_database(bare(&names[0]), if_exists),
            other => return Err(SqlError::unsupported(format!("DROP {other}"))),
        }
        Ok(format!("DROP {kind}"))
    }

    fn skip(&self, kind: &str, name: &ObjectName) {
        self.notice(
            SqlState::SUCCESSFUL_COMPLETION,
            format!("{kind} \"{}\" does not exist, skipping", name.parts.join(".")),
        );
    }

    fn missing(&self, kind: &str, name: &ObjectName) -> SqlError {
        SqlError::new(SqlState::UNDEFINED_TABLE, format!("{kind} \"{}\" does not exist", name.parts.join(".")))
    }

    fn wrong_kind(name: &ObjectName, kind: &str, found: &Relation) -> SqlError {
        let (verb, word) = match found {
            Relation::Table(def) if def.is_materialized() => ("MATERIALIZED VIEW", "a materialized view"),
            Relation::Table(def) if def.is_composite() => ("TYPE", "a type"),
            Relation::Table(_) => ("TABLE", "a table"),
            Relation::View(_) => ("VIEW", "a view"),
            Relation::Sequence(_) => ("SEQUENCE", "a sequence"),
            Relation::Index(..) => ("INDEX", "an index"),
        };
        SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a {kind}", bare(name)))
            .hint(format!("Use DROP {verb} to remove {word}."))
    }

    pub(super) fn drop_tables(&self, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<()> {
        let mut tables: Vec<Arc<TableDef>> = Vec::new();
        for name in names {
            match self.find_relation(name)? {
                Some(Relation::Table(def)) if def.shape == TableShape::Table => tables.push(def),
                Some(other) => return Err(Self::wrong_kind(name, "table", &other)),
                None => match self.ami_table(name)? {
                    Some(def) => tables.push(def),
                    None if if_exists => self.skip("table", name),
                    None => match self.missing_or_system(name) {
                        error if error.state() == SqlState::INSUFFICIENT_PRIVILEGE => return Err(error),
                        _ => return Err(self.missing("table", name)),
                    },
                },
            }
        }
        let catalog = self.catalog()?;
        let listed = |dependent: &Dependent| matches!(dependent, Dependent::ForeignKey(child, _) if tables.iter().any(|table| table.id == *child));
        for table in &tables {
            self.must_own(table.owner, "table", &table.name)?;
            self.lock(table)?;
            let mut dependents = dependency::of_table(&catalog, table);
            dependents.retain(|dependent| !listed(dependent));
            self.settle(&format!("table {}", table.name), &dependents, cascade)?;
        }
        // Keys between tables of the list go first, so that no table is removed while another refers to it.
        for table in &tables {
            self.drop_table(table)?;
        }
        Ok(())
    }

    /// Removes a table that nothing holds any more, with its silent triggers and the sequences that its columns own.
    pub(super) fn drop_table(&self, table: &TableDef) -> Result<()> {
        let catalog = self.catalog()?;
        for oid in dependency::silent_triggers(&catalog, table.id) {
            if let Some(def) = catalog.trigger(crate::catalog::TriggerId(oid)).cloned() {
                self.drop_trigger(&def)?;
            }
        }
        self.stop_watching(table)?;
        let owned: Vec<Arc<SequenceDef>> = catalog
            .sequences()
            .filter(|def| def.owned_by.is_some_and(|(owner, _)| owner == table.id))
            .cloned()
            .collect();
        self.remove(EntryKey::Table(table.id.0))?;
        owned.iter().try_for_each(|def| self.remove(EntryKey::Sequence(def.oid)))
    }

    pub(super) fn drop_view(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let def = match self.find_relation(name)? {
            Some(Relation::View(def)) => def,
            Some(other) => return Err(Self::wrong_kind(name, "view", &other)),
            None if if_exists => {
                self.skip("view", name);
                return Ok(());
            }
            None => return Err(self.missing("view", name)),
        };
        self.must_own(def.owner, "view", &def.name)?;
        let above =
            dependency::views_over(&*self.catalog()?, def.oid).into_iter().map(Dependent::View).collect::<Vec<_>>();
        self.settle(&format!("view {}", def.name), &above, cascade)?;
        self.remove(EntryKey::View(def.oid))
    }

    fn drop_index(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let (table, place) = match self.find_relation(name)? {
            Some(Relation::Index(table, place)) => (table, place),
            Some(other) => return Err(Self::wrong_kind(name, "index", &other)),
            None if if_exists => {
                self.skip("index", name);
                return Ok(());
            }
            None => return Err(self.missing("index", name)),
        };
        let index = &table.indexes[place];
        self.must_own(table.owner, "index", &index.name)?;
        if let Some(constraint) = table.constraints.iter().find(|constraint| constraint.oid == index.constraint) {
            return Err(SqlError::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "cannot drop index {} because constraint {} on table {} requires it",
                    index.name, constraint.name, table.name
                ),
            )
            .hint(format!("You can drop constraint {} on table {} instead.", constraint.name, table.name)));
        }
        self.settle(&format!("index {}", index.name), &self.keys_on(&table, index.oid)?, cascade)?;
        self.lock(&table)?;
        let mut changed = (*table).clone();
        changed.indexes.remove(place);
        self.put_table(changed).map(|_| ())
    }

    /// Foreign keys that rely on a unique index.
    pub(super) fn keys_on(&self, parent: &TableDef, index: crate::types::Oid) -> Result<Vec<Dependent>> {
        let catalog = self.catalog()?;
        let mut found = Vec::new();
        for (child, place) in catalog.referencing(parent.id) {
            let table = catalog.table(crate::catalog::TableId(*child));
            let Some((table, constraint)) = table.and_then(|def| Some((def, def.constraints.get(*place)?))) else {
                continue;
            };
            if matches!(&constraint.kind, ConstraintKind::ForeignKey(key) if key.parent_index == index) {
                found.push(Dependent::ForeignKey(table.id, constraint.name.clone()));
            }
        }
        Ok(found)
    }

    pub(super) fn drop_sequence_named(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let def = match self.find_relation(name)? {
            Some(Relation::Sequence(def)) => def,
            Some(other) => return Err(Self::wrong_kind(name, "sequence", &other)),
            None if if_exists => {
                self.skip("sequence", name);
                return Ok(());
            }
            None => return Err(self.missing("sequence", name)),
        };
        self.must_own(def.owner, "sequence", &def.name)?;
        let catalog = self.catalog()?;
        let mut users = Vec::new();
        for table in catalog.tables() {
            for (place, column) in table.live_columns() {
                let called = column
                    .default
                    .as_ref()
                    .is_some_and(|text| text.contains("nextval") && names_sequence(text, &def.name));
                if column.sequence == Some(def.oid) || called {
                    users.push(Dependent::Default(table.id, place));
                }
            }
        }
        if def.identity && !users.is_empty() {
            return Err(SqlError::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop sequence {} because an identity column requires it", def.name),
            ));
        }
        self.settle(&format!("sequence {}", def.name), &users, cascade)?;
        self.remove(EntryKey::Sequence(def.oid))
    }

    pub(super) fn drop_schema(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(def) = catalog.schema_by_name(bare(name)).cloned() else {
            if if_exists {
                self.skip("schema", name);
                return Ok(());
            }
            return Err(SqlError::new(
                SqlState::INVALID_SCHEMA_NAME,
                format!("schema \"{}\" does not exist", bare(name)),
            ));
        };
        self.must_own(def.owner, "schema", &def.name)?;
        let tables: Vec<_> = catalog.tables().filter(|table| table.schema == def.oid).cloned().collect();
        let views: Vec<_> = catalog.views().filter(|view| view.schema == def.oid).cloned().collect();
        let in_schema = |sequence: &&Arc<SequenceDef>| sequence.schema == def.oid && sequence.owned_by.is_none();
        let sequences: Vec<_> = catalog.sequences().filter(in_schema).cloned().collect();
        let types: Vec<_> = catalog.types().filter(|own| own.schema == def.oid).cloned().collect();
        let functions: Vec<_> = catalog.functions().filter(|own| own.schema == def.oid).cloned().collect();
        let visible = self.backend.search_path().contains(&def.oid);
        let prefix = if visible { String::new() } else { format!("{}.", crate::system::quote_identifier(&def.name)) };
        let line = |table: &Arc<TableDef>| match table.shape {
            TableShape::Table => format!("table {prefix}{}", table.name),
            TableShape::Composite => format!("type {prefix}{}", table.name),
            TableShape::Materialized { .. } => format!("materialized view {prefix}{}", table.name),
        };
        let shown = |table: &&Arc<TableDef>| !table.hidden || table.is_composite();
        // (OID, what it is, what it depends on): in the order in which it was made, as PostgreSQL lists it.
        let own = format!("schema {}", def.name);
        let mut lines: Vec<(Oid, String, String)> = Vec::new();
        lines.extend(tables.iter().filter(shown).map(|table| (table.id.0, line(table), own.clone())));
        lines.extend(types.iter().map(|ty| (ty.oid, format!("type {prefix}{}", ty.name), own.clone())));
        lines.extend(views.iter().map(|view| (view.oid, format!("view {prefix}{}", view.name), own.clone())));
        lines.extend(sequences.iter().map(|one| (one.oid, format!("sequence {prefix}{}", one.name), own.clone())));
        for function in &functions {
            let text = format!("function {prefix}{}", super::function::signature(function));
            lines.push((function.oid, text, own.clone()));
        }
        // What stands elsewhere and rests on something of the schema.
        let inside = |oid: Oid| lines.iter().any(|(own, ..)| *own == oid);
        let mut outside: Vec<(Dependent, String)> = Vec::new();
        for table in &tables {
            outside.extend(dependency::of_table(&catalog, table).into_iter().map(|one| (one, line(table))));
        }
        for view in &views {
            let over = dependency::views_over(&catalog, view.oid).into_iter().map(Dependent::View);
            outside.extend(over.map(|one| (one, format!("view {prefix}{}", view.name))));
        }
        for function in &functions {
            let on = format!("function {prefix}{}", super::function::signature(function));
            outside.extend(self.callers(function)?.0.into_iter().map(|one| (one, on.clone())));
        }
        let mut seen: Vec<Oid> = Vec::new();
        outside.retain(|(one, _)| match one {
            Dependent::View(oid) => {
                let new = !inside(*oid) && !seen.contains(oid);
                seen.push(*oid);
                new
            }
            Dependent::ForeignKey(table, _) | Dependent::Default(table, _) | Dependent::Column(table, _) => {
                !inside(table.0)
            }
            _ => true,
        });
        for (dependent, on) in &outside {
            lines.push((Oid::MAX, self.describe(dependent)?, on.clone()));
        }
        lines.sort_by_key(|(oid, ..)| *oid);
        if !lines.is_empty() && !cascade {
            let detail: Vec<String> = lines.iter().map(|(_, line, on)| format!("{line} depends on {on}")).collect();
            return Err(SqlError::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop schema {} because other objects depend on it", def.name),
            )
            .detail(detail.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.say_cascade(&lines.iter().map(|(_, line, _)| line.clone()).collect::<Vec<_>>());
        outside.iter().try_for_each(|(dependent, _)| self.drop_dependent(dependent))?;
        for view in &views {
            self.remove(EntryKey::View(view.oid))?;
        }
        for table in &tables {
            let now = self.catalog()?;
            let Some(table) = now.table(table.id).cloned() else { continue };
            let dependents = dependency::of_table(&now, &table);
            dependents.iter().try_for_each(|dependent| self.drop_dependent(dependent))?;
            if let Some(table) = self.catalog()?.table(table.id).cloned() {
                self.drop_table(&table)?;
            }
        }
        for sequence in &sequences {
            self.remove(EntryKey::Sequence(sequence.oid))?;
        }
        for function in &functions {
            self.settle_callers(function, true)?;
            self.remove(EntryKey::Function(function.oid))?;
        }
        for own in &types {
            if self.catalog()?.user_type(own.oid).is_some() {
                let name = ObjectName { parts: vec![def.name.clone(), own.name.clone()], offset: 0 };
                self.drop_types(&[name], true, true, matches!(own.kind, TypeKind::Domain(_)))?;
            }
        }
        // What was to be granted in the schema goes with it.
        if let Some(database) = self.set().shared.database(self.backend.database)
            && database.default_acls.iter().any(|one| one.schema == def.oid)
        {
            let mut changed = (**database).clone();
            changed.default_acls.retain(|one| one.schema != def.oid);
            self.put(Entry::Database(Arc::new(changed)))?;
        }
        self.remove(EntryKey::Schema(def.oid))
    }
}

fn names_sequence(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name)
}
