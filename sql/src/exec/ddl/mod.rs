//! CREATE, ALTER, DROP and their kin: changes of the catalog, inside the transaction like every other change.
//!
//! A DDL statement first takes the catalog lock, so that its view of the catalog is the newest; each change of a
//! definition goes through `Ddl::put` and `Ddl::remove`, which hand it to the store (heaps and indexes follow there).
//! Rows are looked at and rewritten with ordinary SQL of the same transaction. Definitions of triggers are shown to
//! `Hooks` before they are stored. Nothing here binds an expression by itself: `binding` asks the planner.

mod alter;
mod ami;
mod attribute;
mod binding;
mod column;
mod comdb2;
mod comment;
mod constraint;
mod create;
mod dependency;
mod drop;
mod follow;
mod function;
mod grant;
mod index;
mod like;
mod matview;
mod names;
mod owned;
mod relabel;
mod role;
mod schema;
mod sequence;
mod storage;
mod trigger;
mod truncate;
mod types;
mod view;
mod watch;

use std::sync::Arc;

use sqlparser::ast;

use super::backend::Backend;
use super::hook::HookCx;
use crate::catalog::{
    Access, Catalog, CatalogChange, CatalogSet, Entry, EntryKey, Guarded, Persistence, Privilege, Relation, Rights,
    SchemaDef, TableDef,
};
use crate::catalog::{INFORMATION_SCHEMA, PG_CATALOG, TRIPLINE};
use crate::change::{HookContext, QueryResult};
use crate::error::{Result, Severity, Span, SqlError, SqlState};
use crate::parse::{ObjectName, Parsed, Statement, fold, object_name};
use crate::plan::deparse::name_types;
use crate::store::{TableLockMode, WaitPolicy};
use crate::types::{Oid, Value};

pub use ami::find_procedure;

/// Most columns of a table, dropped ones among them.
const COLUMNS_MAX: usize = 1600;

/// Runs a DDL statement inside the current transaction and gives its command tag. `depth` is the trigger depth.
/// Errors: what PostgreSQL 15 reports for the statement; 0A000 for forms that are not carried out.
pub fn execute(backend: &Backend, parsed: &Parsed, depth: u32) -> Result<String> {
    let ddl = Ddl { backend, depth, text: &parsed.text, dialect: parsed.dialect };
    if !matches!(*parsed.statement, Statement::Maintenance { .. }) {
        backend.check_writable(verb(&parsed.statement))?;
        backend.with_txn(|txn| txn.lock_catalog())?;
    }
    let before = read_newest(backend, makes_of_rows(&parsed.statement))?;
    let done = ddl.run(parsed);
    read_newest(backend, before)?;
    done.map_err(|error| match backend.catalog() {
        Ok(catalog) => name_types(error, &catalog, &ddl.searched()),
        Err(_) => error,
    })
}

/// See `Txn::read_newest`.
fn read_newest(backend: &Backend, newest: bool) -> Result<bool> {
    backend.with_txn(|txn| Ok(txn.read_newest(newest)))
}

/// Whether a statement makes something of all rows that a table has when it is locked, however old the transaction's
/// snapshot: a derived table, an index, another form of the rows, or nothing.
fn makes_of_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Ddl(tree) => matches!(**tree, ast::Statement::AlterTable(_) | ast::Statement::CreateIndex(_)),
        Statement::CreateTrigger(_)
        | Statement::ToggleTrigger { .. }
        | Statement::Truncate { .. }
        | Statement::AlterColumn { .. }
        | Statement::AmiCreateIndex(_)
        | Statement::AmiAlterTable { .. } => true,
        _ => false,
    }
}

impl Ddl<'_> {
    fn run(&self, parsed: &Parsed) -> Result<String> {
        let ddl = self;
        match &*parsed.statement {
            Statement::Ddl(tree) => ddl.standard(tree),
            Statement::CreateTableAs { create, with_data } => ddl.create_table_as(create, *with_data),
            Statement::Truncate { tables, restart_identity, cascade } => {
                ddl.truncate(tables, *restart_identity, *cascade)
            }
            Statement::CreateSequence { name, if_not_exists, temporary, options } => {
                ddl.create_sequence(name, *if_not_exists, *temporary, options)
            }
            Statement::AlterColumn { table, if_exists, column, action } => {
                ddl.alter_column_action(table, *if_exists, column, action)
            }
            Statement::AlterSequence { name, if_exists, action } => ddl.alter_sequence(name, *if_exists, action),
            Statement::CreateDatabase { name, owner, options } => ddl.create_database(name, owner.as_deref(), options),
            Statement::DropDatabase { name, if_exists, .. } => ddl.drop_database(name, *if_exists),
            Statement::AlterDatabase { name, action } => ddl.alter_database(name, action),
            Statement::CreateRole { name, options, user } => ddl.create_role(name, options, *user),
            Statement::AlterRole { name, options, rename, set, database } => {
                ddl.alter_role(name, options, rename.as_deref(), set.as_ref(), database.as_deref())
            }
            Statement::DropRole { names, if_exists } => ddl.drop_roles(names, *if_exists),
            Statement::Grant(grant) => ddl.grant(grant),
            Statement::AlterDefaultPrivileges(change) => ddl.alter_default_privileges(change),
            Statement::Owned { roles, to: Some(to), .. } => ddl.reassign_owned(roles, to),
            Statement::Owned { roles, to: None, cascade } => ddl.drop_owned(roles, *cascade),
            Statement::CreateExtension { name, if_not_exists } => ddl.create_extension(name, *if_not_exists),
            Statement::DropExtension { names, if_exists } => ddl.drop_extensions(names, *if_exists),
            Statement::Comment { kind, name, column, on, text } => {
                ddl.comment(kind, name, column.as_deref(), on.as_ref(), text.clone())
            }
            Statement::AlterObject { kind, name, if_exists, action } => {
                ddl.alter_object(kind, name, *if_exists, action)
            }
            Statement::CreateTrigger(spec) => ddl.create_trigger(spec),
            Statement::DropTrigger { names, on, if_exists, tag, dialect, .. } => {
                ddl.drop_triggers(names, on.as_ref(), *if_exists, dialect, tag)
            }
            Statement::ToggleTrigger { names, on, enable, dialect } => {
                ddl.toggle_triggers(names, on.as_ref(), *enable, dialect)
            }
            Statement::AmiCreateTable(spec) => ddl.ami_create_table(spec),
            Statement::AmiCreateIndex(spec) => ddl.ami_create_index(spec),
            Statement::AmiAlterTable { table, actions } => ddl.ami_alter_table(table, actions),
            Statement::AmiRenameTable { table, to } => ddl.ami_rename_table(table, to),
            Statement::AmiDropTable { tables, if_exists, cascade } => ddl.ami_drop_tables(tables, *if_exists, *cascade),
            Statement::AmiDropIndex { indexes, if_exists } => ddl.ami_drop_index(indexes, *if_exists),
            Statement::AmiCreateMethod(spec) => ddl.ami_create_method(spec),
            Statement::AmiDropMethod { name, arguments, if_exists } => ddl.ami_drop_method(name, arguments, *if_exists),
            Statement::AmiCreateProcedure { name, if_not_exists, options } => {
                ddl.ami_create_procedure(name, *if_not_exists, options)
            }
            Statement::CreateProcedure(spec) => ddl.create_procedure(spec),
            Statement::DropProcedure { name, version, if_exists, dialect } => {
                ddl.drop_procedure(name, version.as_deref(), *if_exists, dialect)
            }
            Statement::PutDefaultProcedure { name, version } => ddl.put_default_procedure(name, version),
            Statement::CreateLuaFunction { name, aggregate, deterministic, returns } => {
                ddl.create_lua_function(name, *aggregate, *deterministic, returns.as_ref())
            }
            Statement::DropLuaFunction { name, aggregate, if_exists } => {
                ddl.drop_lua_function(name, *aggregate, *if_exists)
            }
            Statement::RefreshView { name, concurrently, with_data } => {
                ddl.refresh_matview(name, *concurrently, *with_data)
            }
            Statement::AlterDomain { name, action } => ddl.alter_domain(name, action),
            Statement::Maintenance { tag, tables, .. } => ddl.maintenance(tag, tables),
            Statement::CreateFunction(tree) => self.create_function(tree),
            Statement::Unsupported(what) => Err(SqlError::unsupported(what)),
            _ => Err(SqlError::internal("not a DDL statement")),
        }
    }
}

/// What 25006 calls the statement.
fn verb(statement: &Statement) -> &'static str {
    match statement {
        Statement::CreateTableAs { .. } => "CREATE TABLE AS",
        Statement::Truncate { .. } => "TRUNCATE TABLE",
        Statement::CreateSequence { .. } => "CREATE SEQUENCE",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::Ddl(tree) => match **tree {
            ast::Statement::CreateTable(_) => "CREATE TABLE",
            ast::Statement::CreateIndex(_) => "CREATE INDEX",
            ast::Statement::CreateView(_) => "CREATE VIEW",
            ast::Statement::AlterTable(_) => "ALTER TABLE",
            ast::Statement::Drop { .. } => "DROP",
            _ => "DDL",
        },
        _ => "DDL",
    }
}

/// One DDL statement at work.
struct Ddl<'a> {
    backend: &'a Backend,
    depth: u32,
    text: &'a str,
    dialect: &'static str,
}

impl Ddl<'_> {
    /// The query that defines a view, a materialized view or CREATE TABLE AS: as it was written, where it was in SQL.
    fn defining(&self, query: &ast::Query) -> String {
        let written = if self.dialect == "postgres" { crate::parse::defining_query(self.text) } else { None };
        written.map_or_else(|| query.to_string(), str::to_owned)
    }

    fn standard(&self, tree: &ast::Statement) -> Result<String> {
        match tree {
            ast::Statement::CreateTable(create) => self.create_table(create),
            ast::Statement::CreateIndex(create) => self.create_index(create),
            ast::Statement::CreateView(create) => self.create_view(create),
            ast::Statement::CreateSchema { schema_name, if_not_exists, .. } => {
                self.create_schema(schema_name, *if_not_exists)
            }
            ast::Statement::AlterTable(alter) => self.alter_table(alter),
            ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => {
                self.drop_objects(*object_type, *if_exists, names, *cascade)
            }
            ast::Statement::AlterIndex { name, operation: ast::AlterIndexOperation::RenameIndex { index_name } } => {
                self.rename_relation(&object_name(name), &last(index_name), "ALTER INDEX")
            }
            ast::Statement::CreateType { name, representation } => self.create_type(name, representation.as_ref()),
            ast::Statement::CreateDomain(create) => self.create_domain(create),
            ast::Statement::AlterType(alter) => self.alter_type(&alter.name, &alter.operation),
            ast::Statement::DropDomain(drop) => {
                let cascade = matches!(drop.drop_behavior, Some(ast::DropBehavior::Cascade));
                self.drop_types(&[object_name(&drop.name)], drop.if_exists, cascade, true)?;
                Ok("DROP DOMAIN".to_owned())
            }
            ast::Statement::DropFunction(drop) => self.drop_functions(drop),
            ast::Statement::DropProcedure { if_exists, proc_desc, .. } => {
                self.drop_procedures(proc_desc, *if_exists)?;
                Ok("DROP PROCEDURE".to_owned())
            }
            ast::Statement::CreateTrigger(_) => Err(SqlError::unsupported("CREATE TRIGGER … EXECUTE FUNCTION")
                .hint("Write the trigger in one of the dialects: CREATE TRIGGER … OFTYPE …, or CREATE LUA TRIGGER ….")),
            other => Err(SqlError::unsupported(first_words(&other.to_string()))),
        }
    }

    fn catalog(&self) -> Result<Arc<Catalog>> {
        self.backend.catalog()
    }

    fn set(&self) -> Arc<CatalogSet> {
        self.backend.catalogs()
    }

    fn change(&self, change: CatalogChange) -> Result<()> {
        self.backend.pending.borrow_mut().catalog = true;
        self.backend.with_txn(|txn| txn.change_catalog(change))
    }

    fn put(&self, entry: Entry) -> Result<()> {
        let database = match entry {
            Entry::Role(_) | Entry::Database(_) => 0,
            _ => self.backend.database,
        };
        self.change(CatalogChange::Put { database, entry })
    }

    fn put_table(&self, mut def: TableDef) -> Result<Arc<TableDef>> {
        if def.columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(
                SqlState::TOO_MANY_COLUMNS,
                format!("tables can have at most {COLUMNS_MAX} columns"),
            ));
        }
        let before = self.catalog()?.table(def.id).cloned();
        if let Some(before) = before.as_ref().filter(|before| before.name != def.name) {
            self.keep_watched_name(before)?;
        }
        self.say_schemas(&mut def, before.as_ref());
        let def = Arc::new(def);
        self.put(Entry::Table(def.clone()))?;
        if before.is_none() {
            self.watch_again(&def)?;
        }
        Ok(def)
    }

    fn remove(&self, key: EntryKey) -> Result<()> {
        let database = match key {
            EntryKey::Role(_) | EntryKey::Database(_) => 0,
            _ => self.backend.database,
        };
        self.change(CatalogChange::Remove { database, key })
    }

    fn allocate_oid(&self) -> Oid {
        self.backend.shared.store.allocate_oid()
    }

    fn user(&self) -> Oid {
        self.backend.current_user.get()
    }

    fn notice(&self, state: SqlState, message: String) {
        self.backend.notice(SqlError::notice(Severity::Notice, state, message));
    }

    /// Runs `work` with the context that triggers get: SQL in this transaction.
    fn with_context<T>(&self, work: impl FnOnce(&mut dyn HookContext) -> Result<T>) -> Result<T> {
        work(&mut HookCx::new(self.backend, self.depth))
    }

    /// Runs one SQL statement in this transaction.
    fn query(&self, sql: &str, params: &[Value]) -> Result<QueryResult> {
        self.with_context(|context| context.query(sql, params))
    }

    fn lock(&self, table: &TableDef) -> Result<()> {
        self.backend.with_txn(|txn| txn.lock_table(table.id, TableLockMode::AccessExclusive, WaitPolicy::Wait))
    }

    /// Schemas searched for names: the search path with the temporary schema and pg_catalog before it.
    fn searched(&self) -> Vec<Oid> {
        let mut path: Vec<Oid> = self.backend.temp_schema.get().into_iter().collect();
        path.push(PG_CATALOG);
        path.extend(self.backend.search_path().iter().copied());
        path
    }

    fn schema_named(&self, name: &str, offset: u32) -> Result<Oid> {
        match name {
            "pg_catalog" => Ok(PG_CATALOG),
            "information_schema" => Ok(INFORMATION_SCHEMA),
            "tripline" => Ok(TRIPLINE),
            "pg_temp" => self.temporary_schema(),
            other => self.catalog()?.schema_by_name(other).map(|def| def.oid).ok_or_else(|| {
                SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{other}\" does not exist"))
                    .at(Span(offset))
            }),
        }
    }

    /// The relation that a name stands for, if there is one.
    fn find_relation(&self, name: &ObjectName) -> Result<Option<Relation>> {
        let catalog = self.catalog()?;
        match name.parts.as_slice() {
            [bare] => Ok(self.searched().into_iter().find_map(|schema| catalog.relation(schema, bare))),
            [schema, bare] | [_, schema, bare] => {
                Ok(self.schema_named(schema, name.offset).ok().and_then(|schema| catalog.relation(schema, bare)))
            }
            _ => Err(improper(name)),
        }
    }

    fn relation(&self, name: &ObjectName) -> Result<Relation> {
        self.find_relation(name)?.ok_or_else(|| missing_relation(name))
    }

    /// The ordinary table that a name stands for. Errors: 42P01; 42809 if it is something else; 42501 if it is not the
    /// user's; AMI names are found without case (AMI-8).
    fn table(&self, name: &ObjectName) -> Result<Arc<TableDef>> {
        let found = match self.find_relation(name)? {
            Some(found) => found,
            None => return self.ami_table(name)?.ok_or_else(|| self.missing_or_system(name)),
        };
        match found {
            Relation::Table(def) => Ok(def),
            _ => Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", bare(name)))
                .at(Span(name.offset))),
        }
    }

    /// A table of the user's own to change.
    fn own_table(&self, name: &ObjectName) -> Result<Arc<TableDef>> {
        let def = self.table(name)?;
        self.must_own(def.owner, "table", &def.name)?;
        Ok(def)
    }

    fn ami_table(&self, name: &ObjectName) -> Result<Option<Arc<TableDef>>> {
        let [bare] = name.parts.as_slice() else { return Ok(None) };
        let catalog = self.catalog()?;
        let same = |def: &&Arc<TableDef>| def.dialect == "ami" && !def.hidden && def.name.eq_ignore_ascii_case(bare);
        // The session's own temporary one comes first; those of others are not there.
        let temp = self.backend.temp_schema.get();
        if let Some(own) = catalog.tables().filter(same).find(|def| Some(def.schema) == temp) {
            return Ok(Some(own.clone()));
        }
        let mut found = catalog.tables().filter(same).filter(|def| def.persistence != Persistence::Temporary);
        let first = found.next().cloned();
        Ok(if found.next().is_some() { None } else { first })
    }

    fn missing_or_system(&self, name: &ObjectName) -> SqlError {
        let system = match name.parts.as_slice() {
            [bare] => crate::system::relation(PG_CATALOG, bare),
            [schema, bare] => {
                self.schema_named(schema, name.offset).ok().and_then(|schema| crate::system::relation(schema, bare))
            }
            _ => None,
        };
        match system {
            Some(_) => SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system catalog", bare(name)),
            ),
            None => missing_relation(name),
        }
    }

    /// Errors with 42501 unless the user owns the object or is a superuser.
    fn must_own(&self, owner: Oid, kind: &str, name: &str) -> Result<()> {
        if self.may_act_for(owner) {
            return Ok(());
        }
        Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("must be owner of {kind} {name}")))
    }

    /// Schema and bare name for a new object. Errors: 3F000 if there is no schema to create in, 42501 for system ones.
    fn place(&self, name: &ObjectName) -> Result<(Oid, String)> {
        let (schema, bare) = match name.parts.as_slice() {
            [bare] => {
                let first = self.backend.search_path().first().copied();
                let first = first.ok_or_else(|| {
                    SqlError::new(SqlState::INVALID_SCHEMA_NAME, "no schema has been selected to create in")
                        .at(Span(name.offset))
                })?;
                (first, bare.clone())
            }
            [schema, bare] => (self.schema_named(schema, name.offset)?, bare.clone()),
            [database, schema, bare] => {
                let own = self.set().shared.database(self.backend.database).map(|def| def.name.clone());
                if own.as_deref() != Some(database) {
                    return Err(SqlError::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        format!("cross-database references are not implemented: {}", name.parts.join(".")),
                    ));
                }
                (self.schema_named(schema, name.offset)?, bare.clone())
            }
            _ => return Err(improper(name)),
        };
        if [PG_CATALOG, INFORMATION_SCHEMA, TRIPLINE].contains(&schema) {
            return Err(SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to create \"{}\"", name.parts.join(".")),
            )
            .detail("System catalog modifications are currently disallowed."));
        }
        if !self.backend.superuser.get() {
            self.may_create_in(schema)?;
        }
        Ok((schema, bare))
    }

    fn may_create_in(&self, schema: Oid) -> Result<()> {
        if Some(schema) == self.backend.temp_schema.get() { Ok(()) } else { self.may_create_as(self.user(), schema) }
    }

    /// Errors with 42501 unless a role may create objects in a schema.
    fn may_create_as(&self, role: Oid, schema: Oid) -> Result<()> {
        let (catalog, set) = (self.catalog()?, self.set());
        let Some(def) = catalog.schema(schema) else { return Ok(()) };
        let wanted = Rights::of(&[Privilege::Create]);
        let entry = Entry::Schema(def.clone());
        let Some((kind, owner, list)) = entry.guard() else { return Ok(()) };
        if Access::new(&set.shared, kind, owner, list).held(role, wanted) == wanted {
            return Ok(());
        }
        Err(super::privilege::denied("schema", &def.name))
    }

    /// Errors with 42501 unless a role has a privilege on this database.
    fn may_in_database(&self, role: Oid, privilege: Privilege) -> Result<()> {
        let (set, wanted) = (self.set(), Rights::of(&[privilege]));
        let Some(def) = set.shared.database(self.backend.database) else { return Ok(()) };
        if Access::new(&set.shared, Guarded::Database, def.owner, &def.acl).held(role, wanted) == wanted {
            return Ok(());
        }
        if privilege == Privilege::Temporary {
            let text = format!("permission denied to create temporary tables in database \"{}\"", def.name);
            return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text));
        }
        Err(super::privilege::denied("database", &def.name))
    }

    /// The schema of the session's temporary tables, made at first use.
    pub(super) fn temporary_schema(&self) -> Result<Oid> {
        if let Some(oid) = self.backend.temp_schema.get() {
            if self.catalog()?.schema(oid).is_some() {
                return Ok(oid);
            }
        }
        self.may_in_database(self.user(), Privilege::Temporary)?;
        let oid = self.allocate_oid();
        let name = format!("pg_temp_{}", self.backend.pid);
        // It goes with the session, whoever the user is by then.
        let owner = crate::catalog::BOOTSTRAP_ROLE;
        self.put(Entry::Schema(Arc::new(SchemaDef { oid, name, owner, acl: Vec::new(), comment: None })))?;
        self.backend.temp_schema.set(Some(oid));
        Ok(oid)
    }

    fn maintenance(&self, tag: &str, tables: &[ObjectName]) -> Result<String> {
        for name in tables {
            if self.find_relation(name)?.is_none() && self.ami_table(name)?.is_none() {
                if let Err(error) = self.table(name) {
                    if error.state() == SqlState::UNDEFINED_TABLE {
                        return Err(error);
                    }
                }
            }
        }
        Ok(tag.to_owned())
    }
}

/// The bare name of an object.
fn bare(name: &ObjectName) -> &str {
    name.parts.last().map_or("", String::as_str)
}

fn last(name: &ast::ObjectName) -> String {
    object_name(name).parts.pop().unwrap_or_default()
}

fn improper(name: &ObjectName) -> SqlError {
    SqlError::syntax(format!("improper qualified name (too many dotted names): {}", name.parts.join(".")))
        .at(Span(name.offset))
}

fn missing_relation(name: &ObjectName) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", name.parts.join(".")))
        .at(Span(name.offset))
}

fn missing_column(table: &TableDef, column: &str) -> SqlError {
    SqlError::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
    )
}

fn first_words(text: &str) -> String {
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Places of columns by name. Errors: 42703 as `column "x" named in key does not exist`.
fn key_columns(table: &TableDef, names: &[ast::Ident]) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|ident| {
            let name = fold(ident);
            find_column(table, &name).ok_or_else(|| {
                SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" named in key does not exist"))
            })
        })
        .collect()
}

/// Place of a column: exact, and in AMI tables also without case when unique (AMI-8).
fn find_column(table: &TableDef, name: &str) -> Option<usize> {
    if let Some(place) = table.column_index(name) {
        return Some(place);
    }
    if table.dialect != "ami" {
        return None;
    }
    let mut found = table.live_columns().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
    let first = found.next().map(|(place, _)| place);
    if found.next().is_some() { None } else { first }
}
