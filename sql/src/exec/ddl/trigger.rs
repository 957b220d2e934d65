//! Triggers and procedures of the dialects.
//!
//! What a trigger kind demands is `Hooks`' to say: here a definition is made from what was written, shown to
//! `Hooks::check`, stored, and shown again to `Hooks::created` in the same transaction.

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, find_column};
use crate::catalog::{
    CLIENT_VERSIONED, Entry, EntryKey, FunctionDef, FunctionKind, PUBLIC, TableDef, TriggerDef, TriggerEvent, TriggerId,
};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{ObjectName, ProcedureSpec, TriggerSpec, object_name};
use crate::types::DataType;

/// The dialect whose messages about triggers have words of their own (CDB-505).
const COMDB2: &str = "comdb2";

impl Ddl<'_> {
    pub(super) fn create_trigger(&self, spec: &TriggerSpec) -> Result<String> {
        let catalog = self.catalog()?;
        let same = |def: &&Arc<TriggerDef>| def.dialect == spec.dialect && def.name.eq_ignore_ascii_case(&spec.name);
        if let Some(there) = catalog.triggers().find(same) {
            let text = match (spec.dialect, there.kind.contains("consumer")) {
                (COMDB2, true) => format!("consumer:{} already exists", there.name),
                (COMDB2, false) => format!("trigger:{} already exists", there.name),
                _ => format!("{} \"{}\" already exists", what(spec.dialect), spec.name),
            };
            if spec.if_not_exists {
                self.notice(SqlState::DUPLICATE_OBJECT, format!("{text}, skipping"));
                return Ok(spec.tag.to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, text));
        }
        let mut tables = Vec::new();
        for name in &spec.tables {
            let table = self.table(name).map_err(|error| match error.state() {
                SqlState::UNDEFINED_TABLE if spec.dialect == COMDB2 => {
                    let name = name.parts.last().map_or("", String::as_str);
                    SqlError::new(SqlState::UNDEFINED_TABLE, format!("no such table:{name}"))
                }
                _ => error,
            })?;
            self.must_own(table.owner, "table", &table.name)?;
            if table.is_materialized() {
                return Err(SqlError::new(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("relation \"{}\" cannot have triggers", table.name),
                )
                .detail("This operation is not supported for materialized views."));
            }
            self.lock(&table)?;
            tables.push(table);
        }
        let mut events = Vec::new();
        for (table, event) in tables.iter().zip(&spec.events) {
            events.push(TriggerEvent {
                table: table.id,
                insert: event_columns(table, event.insert.as_deref())?,
                update: event_columns(table, event.update.as_deref())?,
                delete: event_columns(table, event.delete.as_deref())?,
            });
        }
        let def = TriggerDef {
            id: TriggerId(self.allocate_oid()),
            schema: PUBLIC,
            name: spec.name.clone(),
            dialect: spec.dialect.to_owned(),
            kind: spec.kind.clone(),
            tables: tables.iter().map(|table| table.id).collect(),
            events,
            timing: spec.timing,
            level: spec.level,
            when: spec.when.clone(),
            priority: spec.priority,
            options: spec.options.clone(),
            body: spec.body.clone(),
            text: self.text.to_owned(),
            enabled: true,
            owner: self.user(),
            internal: Vec::new(),
            gone: Vec::new(),
            names: Vec::new(),
            former: crate::catalog::Former::default(),
        };
        let hooks = self.backend.shared.hooks.clone();
        let def = self.with_context(|context| hooks.check(context, def))?;
        let id = def.id;
        self.put(Entry::Trigger(Arc::new(def)))?;
        let stored = self.catalog()?.trigger(id).cloned();
        let stored = stored.ok_or_else(|| SqlError::internal("the trigger was not stored"))?;
        self.with_context(|context| hooks.created(context, &stored))?;
        Ok(spec.tag.to_owned())
    }

    /// Removes a trigger with its internal objects; its target is an ordinary table again (AMI-85).
    pub(super) fn drop_trigger(&self, def: &Arc<TriggerDef>) -> Result<()> {
        let hooks = self.backend.shared.hooks.clone();
        self.with_context(|context| hooks.dropped(context, def))?;
        let catalog = self.catalog()?;
        let current = catalog.trigger(def.id).cloned().unwrap_or_else(|| def.clone());
        self.remove(EntryKey::Trigger(def.id.0))?;
        for oid in &current.internal {
            let catalog = self.catalog()?;
            if let Some(table) = catalog.table(crate::catalog::TableId(*oid)).cloned() {
                self.drop_table(&table)?;
            } else if let Some((table, _)) = catalog.index(*oid) {
                let mut changed = (**table).clone();
                changed.indexes.retain(|index| index.oid != *oid);
                self.put_table(changed)?;
            }
        }
        let maintained: Vec<_> =
            self.catalog()?.tables().filter(|table| table.maintained_by == def.id.0).cloned().collect();
        for table in maintained {
            let mut changed = (*table).clone();
            changed.maintained_by = 0;
            self.put_table(changed)?;
        }
        Ok(())
    }

    fn trigger_named(&self, name: &str, on: Option<&ObjectName>, dialect: &str) -> Result<Option<Arc<TriggerDef>>> {
        let catalog = self.catalog()?;
        let table = on.map(|name| self.table(name)).transpose()?;
        let found = catalog.triggers().filter(|def| {
            (dialect.is_empty() || dialect == "postgres" || def.dialect == dialect)
                && (def.name == name || (def.dialect == "ami" && def.name.eq_ignore_ascii_case(name)))
                && table.as_ref().is_none_or(|table| def.tables.contains(&table.id))
        });
        Ok(found.min_by_key(|def| def.id).cloned())
    }

    fn missing_trigger(&self, name: &str, dialect: &str) -> SqlError {
        let text = match dialect {
            COMDB2 => format!("no such trigger: {name}"),
            _ => format!("{} \"{name}\" does not exist", what(dialect)),
        };
        SqlError::new(SqlState::UNDEFINED_OBJECT, text)
    }

    pub(super) fn drop_triggers(
        &self,
        names: &[String],
        on: Option<&ObjectName>,
        if_exists: bool,
        dialect: &str,
        tag: &str,
    ) -> Result<String> {
        let mut found = Vec::new();
        for name in names {
            match self.trigger_named(name, on, dialect)? {
                Some(def) => found.push(def),
                None if if_exists => {
                    let text = format!("{} \"{name}\" does not exist, skipping", what(dialect));
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
                }
                None => return Err(self.missing_trigger(name, dialect)),
            }
        }
        for def in &found {
            self.must_own(def.owner, "trigger", &def.name)?;
            self.lock_tables_of(def)?;
            self.drop_trigger(def)?;
        }
        Ok(tag.to_owned())
    }

    pub(super) fn toggle_triggers(
        &self,
        names: &[String],
        on: Option<&ObjectName>,
        enable: bool,
        dialect: &str,
    ) -> Result<String> {
        for name in names {
            let def = self.trigger_named(name, on, dialect)?.ok_or_else(|| self.missing_trigger(name, dialect))?;
            self.toggle(&def, enable)?;
        }
        Ok(format!("{} {}", if enable { "ENABLE" } else { "DISABLE" }, what(dialect).to_ascii_uppercase()))
    }

    /// ALTER TABLE … ENABLE/DISABLE TRIGGER name, ALL or USER.
    pub(super) fn toggle_on(&self, table: &TableDef, name: &str, enable: bool) -> Result<()> {
        let catalog = self.catalog()?;
        let every = name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case("user");
        let found: Vec<_> = catalog
            .triggers_of(table.id)
            .iter()
            .filter(|def| every || def.name == name || (def.dialect == "ami" && def.name.eq_ignore_ascii_case(name)))
            .cloned()
            .collect();
        if found.is_empty() && !every {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("trigger \"{name}\" for table \"{}\" does not exist", table.name),
            ));
        }
        found.iter().try_for_each(|def| self.toggle(def, enable))
    }

    /// Waits for the writers of a trigger's tables and keeps new ones out: each row is written either with it or without,
    /// and what is built at its start misses none.
    fn lock_tables_of(&self, def: &TriggerDef) -> Result<()> {
        let catalog = self.catalog()?;
        def.tables.iter().filter_map(|id| catalog.table(*id)).try_for_each(|table| self.lock(table))
    }

    fn toggle(&self, def: &Arc<TriggerDef>, enable: bool) -> Result<()> {
        self.must_own(def.owner, "trigger", &def.name)?;
        if def.enabled == enable {
            return Ok(());
        }
        self.lock_tables_of(def)?;
        let mut changed = (**def).clone();
        changed.enabled = enable;
        let changed = Arc::new(changed);
        self.put(Entry::Trigger(changed.clone()))?;
        let hooks = self.backend.shared.hooks.clone();
        self.with_context(|context| hooks.toggled(context, &changed))
    }

    /// CDB-102, 103: a version is stored under its name; the first one is the default.
    /// The name is its owner's: a trigger runs its default version with the rights of the trigger's owner. Errors: 42501 it is another's, 42602 an
    /// illegal name (CDB-108).
    pub(super) fn create_procedure(&self, spec: &ProcedureSpec) -> Result<String> {
        if spec.dialect == COMDB2 && !spec.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(SqlError::new(SqlState::INVALID_NAME, format!("illegal procedure name: {}", spec.name)));
        }
        let versions = self.versions_of(&spec.name, spec.dialect)?;
        for def in &versions {
            self.must_own(def.owner, "procedure", &spec.name)?;
        }
        let (version, announced) = match &spec.version {
            Some(version) => (version.clone(), false),
            None => {
                let numbers = versions.iter().filter_map(|def| def.version.as_deref()?.parse::<u64>().ok());
                (numbers.max().map_or(1, |last| last + 1).to_string(), true)
            }
        };
        let mut options = Vec::new();
        if spec.dialect == COMDB2 && !announced {
            // Its name may look like a number that the server gave (CDB-1104).
            options.push((CLIENT_VERSIONED.to_owned(), String::new()));
        }
        let existing = versions.iter().find(|def| def.version.as_deref() == Some(&version));
        let has_default = versions.iter().any(|def| def.default_version);
        let def = FunctionDef {
            oid: existing.map_or_else(|| self.allocate_oid(), |def| def.oid),
            schema: PUBLIC,
            name: spec.name.clone(),
            kind: FunctionKind::Procedure,
            language: spec.language.to_owned(),
            dialect: spec.dialect.to_owned(),
            arguments: Vec::new(),
            defaults: Vec::new(),
            columns: Vec::new(),
            returns: DataType::VOID,
            returns_set: false,
            volatility: Some('v'),
            strict: false,
            body: spec.body.clone(),
            options,
            version: Some(version.clone()),
            default_version: existing.map_or(!has_default, |def| def.default_version),
            owner: self.user(),
            acl: Vec::new(),
            comment: None,
        };
        self.backend.shared.hooks.check_function(&def)?;
        self.put(Entry::Function(Arc::new(def)))?;
        if announced {
            self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("procedure \"{}\" version {version}", spec.name));
        }
        Ok("CREATE PROCEDURE".to_owned())
    }

    fn versions_of(&self, name: &str, dialect: &str) -> Result<Vec<Arc<FunctionDef>>> {
        let catalog = self.catalog()?;
        Ok(catalog.functions().filter(|def| def.dialect == dialect && def.name == name).cloned().collect())
    }

    /// DROP PROCEDURE as PostgreSQL writes it: all Comdb2 versions of a name without arguments go (CDB-105).
    pub(super) fn drop_procedures(&self, procedures: &[ast::FunctionDesc], if_exists: bool) -> Result<()> {
        for ast::FunctionDesc { name, args } in procedures {
            let name = object_name(name);
            let last = name.parts.last().map_or("", String::as_str);
            if self.ami_drop_procedure(last)? {
                continue;
            }
            if args.is_none() && !self.versions_of(last, COMDB2)?.is_empty() {
                self.drop_procedure(last, None, if_exists, COMDB2)?;
            } else if if_exists {
                let text = format!("procedure {last}() does not exist, skipping");
                self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
            } else {
                let text = format!("could not find a procedure named \"{last}\"");
                return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, text));
            }
        }
        Ok(())
    }

    /// CDB-105.
    pub(super) fn drop_procedure(
        &self,
        name: &str,
        version: Option<&str>,
        if_exists: bool,
        dialect: &str,
    ) -> Result<String> {
        let mut versions = self.versions_of(name, dialect)?;
        if let Some(version) = version {
            versions.retain(|def| def.version.as_deref() == Some(version));
        }
        if versions.is_empty() {
            let text = match version {
                Some(version) => format!("no such procedure {name}:{version}"),
                None => format!("no such procedure: {name}"),
            };
            if if_exists {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                return Ok("DROP PROCEDURE".to_owned());
            }
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, text));
        }
        let user = self.catalog()?.triggers().find(|def| def.dialect == dialect && def.name == name).cloned();
        for def in &versions {
            self.must_own(def.owner, "procedure", name)?;
            self.remove(EntryKey::Function(def.oid))?;
        }
        if user.is_some() {
            self.backend.notice(SqlError::notice(
                crate::error::Severity::Warning,
                SqlState::WARNING,
                format!("procedure \"{name}\" is used by a trigger or consumer, whose events wait until a default version exists"),
            ));
        }
        Ok("DROP PROCEDURE".to_owned())
    }

    /// CDB-103, 104.
    pub(super) fn put_default_procedure(&self, name: &str, version: &str) -> Result<String> {
        let versions = self.versions_of(name, "comdb2")?;
        if !versions.iter().any(|def| def.version.as_deref() == Some(version)) {
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such procedure {name}:{version}")));
        }
        for def in &versions {
            self.must_own(def.owner, "procedure", name)?;
            let default = def.version.as_deref() == Some(version);
            if def.default_version != default {
                let mut changed = (**def).clone();
                changed.default_version = default;
                self.put(Entry::Function(Arc::new(changed)))?;
            }
        }
        Ok("PUT".to_owned())
    }
}

/// What messages call a definition of this dialect.
fn what(dialect: &str) -> &'static str {
    match dialect {
        "ami timer" => "timer",
        "ami data source" => "data source",
        _ => "trigger",
    }
}

fn event_columns(table: &TableDef, columns: Option<&[String]>) -> Result<Option<Vec<String>>> {
    let Some(columns) = columns else { return Ok(None) };
    let mut found = Vec::new();
    for name in columns {
        let place = find_column(table, name).ok_or_else(|| super::missing_column(table, name))?;
        found.push(table.columns[place].name.clone());
    }
    Ok(Some(found))
}
