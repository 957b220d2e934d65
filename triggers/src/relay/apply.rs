//! The receiver's half: an object or delete message carried out in a session, one transaction each (AMI-171 to AMI-177).
//! Rows go the way of every statement, so the table's triggers fire as for INSERT and DELETE. Sockets, logins and sequence
//! numbers are the port's business.

use std::fmt::Write;
use std::sync::Arc;

use tripline_sql::catalog::{Catalog, IndexDef, PUBLIC, TableDef};
use tripline_sql::change::{CommitNo, HookContext};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{DataType, Row, Value, equal, format_type};

use super::client::shortened;
use super::ident;
use super::message::{Field, Instruction};
use crate::script::ami::{find_column, to_column};

/// Key of the instance where a change was first made, when that is not the sender (AMI-203).
pub(super) const ORIGIN_KEY: &str = "OG";
/// A transaction that lost to another one is tried so often.
const ATTEMPTS_MAX: u32 = 5;

/// What to do with a message for a table that is not there (AMI-174).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownTable {
    /// Status 2 and a log line.
    #[default]
    LogError,
    /// Status 0, nothing happens.
    Ignore,
    /// A public table is made from the message's columns.
    CreateTable,
}

/// What a message came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Status of the answer (AMI-170).
    pub status: u8,
    /// Its text.
    pub text: String,
    /// The commit that must be durable before the answer may be sent.
    pub commit: Option<CommitNo>,
}

impl Outcome {
    /// An answer that rests on no commit.
    #[must_use]
    pub fn new(status: u8, text: impl Into<String>) -> Outcome {
        Outcome { status, text: text.into(), commit: None }
    }

    /// Success.
    #[must_use]
    pub fn ok() -> Outcome {
        Outcome::new(0, "OK")
    }
}

/// Applies messages in a session of its own.
#[derive(Debug)]
pub struct Receiver {
    session: Session,
    unknown: UnknownTable,
    /// The login id, for columns `P`.
    login: String,
    /// Where changes of this connection come from unless they say otherwise; 0: from here.
    origin: u64,
    /// This instance.
    instance: u64,
}

/// Why a message is not applied: a refusal with its status, or the engine's error.
enum Stop {
    Refused(Outcome),
    Failed(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Stop {
        Stop::Failed(error)
    }
}

fn refuse<T>(status: u8, text: impl Into<String>) -> std::result::Result<T, Stop> {
    Err(Stop::Refused(Outcome::new(status, text)))
}

impl Receiver {
    /// On a session that nobody else uses, of this instance.
    #[must_use]
    pub fn new(session: Session, unknown: UnknownTable, instance: u64) -> Receiver {
        Receiver { session, unknown, login: String::new(), origin: 0, instance }
    }

    /// Who sends, and which instance it is (0: not known).
    pub fn login(&mut self, login: &str, origin: u64) {
        login.clone_into(&mut self.login);
        self.origin = origin;
    }

    /// FATAL error that ends the session, if somebody asked for it.
    #[must_use]
    pub fn terminate_reason(&self) -> Option<SqlError> {
        self.session.terminate_reason()
    }

    /// Carries out an `O` or a `D`.
    pub fn apply(&mut self, instruction: &Instruction) -> Outcome {
        if instruction.text("T").is_none_or(str::is_empty) {
            return Outcome::new(1, "Missing required Fields: T");
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(instruction) {
                Ok(outcome) => return outcome,
                Err(Stop::Refused(outcome)) => {
                    self.session.rollback_internal();
                    return outcome;
                }
                Err(Stop::Failed(error)) => error,
            };
            self.session.rollback_internal();
            let lost = matches!(error.state(), SqlState::SERIALIZATION_FAILURE | SqlState::DEADLOCK_DETECTED);
            if !lost || attempts == ATTEMPTS_MAX {
                return Outcome::new(4, error.message());
            }
        }
    }

    fn attempt(&mut self, instruction: &Instruction) -> std::result::Result<Outcome, Stop> {
        let origin = instruction.whole(ORIGIN_KEY).and_then(|n| u64::try_from(n).ok()).unwrap_or(self.origin);
        self.session.begin_internal(None, (origin != 0 && origin != self.instance).then_some(origin))?;
        let outcome = match instruction.kind {
            'D' => self.delete(instruction)?,
            _ => self.object(instruction)?,
        };
        let committed = self.session.commit_internal()?;
        Ok(Outcome { commit: Some(committed.durable_at), ..outcome })
    }

    fn catalog(&mut self) -> Result<Arc<Catalog>> {
        self.session.with_hook_context(&mut |ctx| Ok(ctx.catalog()))
    }

    /// The table of a message; none: it is not there and that is to be ignored.
    fn table(&mut self, instruction: &Instruction) -> std::result::Result<Option<Arc<TableDef>>, Stop> {
        let name = instruction.text("T").unwrap_or_default();
        if let Some(table) = find_table(&*self.catalog()?, name) {
            return Ok(Some(table));
        }
        match self.unknown {
            UnknownTable::Ignore => Ok(None),
            UnknownTable::CreateTable if instruction.kind == 'O' && instruction.columns().next().is_some() => {
                let columns: Vec<String> = instruction
                    .columns()
                    .map(|(key, value)| format!("{} {}", ident(key), ami_type(value.column_type())))
                    .collect();
                let sql = format!("CREATE PUBLIC TABLE {} ({})", ident(name), columns.join(", "));
                self.session.run(&sql, &[])?;
                Ok(find_table(&*self.catalog()?, name))
            }
            _ => {
                tracing::warn!(
                    table = shortened(name),
                    login = shortened(&self.login),
                    "a message names an unknown table"
                );
                refuse(2, format!("unknown table: {name}"))
            }
        }
    }

    /// The message's columns as places of the table and values of its types.
    fn columns(
        &mut self,
        instruction: &Instruction,
        table: Arc<TableDef>,
    ) -> std::result::Result<(Arc<TableDef>, Vec<(usize, Value)>), Stop> {
        let rule = table.options.iter().find(|(key, _)| key.eq_ignore_ascii_case("OnUndefColumn"));
        let rule = rule.map_or(String::new(), |(_, rule)| rule.to_ascii_uppercase());
        let missing: Vec<&(String, Field)> =
            instruction.columns().filter(|(key, _)| find_column(&table, key).is_none()).collect();
        let mut table = table;
        if let Some((key, _)) = missing.first() {
            match rule.as_str() {
                "IGNORE" => {}
                "ADD" if instruction.kind == 'D' => {}
                "ADD" => {
                    for (key, value) in &missing {
                        let (name, ty) = (ident(key), format_type(value.column_type()));
                        self.session.run(&format!("ALTER TABLE {} ADD COLUMN {name} {ty}", qualified(&table)), &[])?;
                    }
                    if let Some(changed) = self.catalog()?.table(table.id) {
                        table = changed.clone();
                    }
                }
                _ => return refuse(3, format!("unknown column: {key}")),
            }
        }
        let mut out = Vec::new();
        for (key, value) in instruction.columns() {
            let Some(place) = find_column(&table, key) else { continue };
            if out.iter().any(|(taken, _)| *taken == place) {
                return refuse(1, format!("column {key} is given twice"));
            }
            out.push((place, to_column(value.value(), table.columns[place].ty)?));
        }
        Ok((table, out))
    }

    /// `O`: inserts; a row that has the key is updated instead, in the given columns (AMI-171).
    fn object(&mut self, instruction: &Instruction) -> std::result::Result<Outcome, Stop> {
        let Some(table) = self.table(instruction)? else { return Ok(Outcome::ok()) };
        let (table, mut columns) = self.columns(instruction, table)?;
        let own = [("I", instruction.field("I").map(Field::value)), ("E", instruction.field("E").map(Field::value))];
        let login = ("P", Some(Value::text(&self.login)));
        for (name, value) in own.into_iter().chain([login]) {
            let place = reserved_column(&table, name);
            if let (Some(place), Some(value)) = (place, value) {
                columns.push((place, to_column(value, table.columns[place].ty)?));
            }
        }
        let sql = insert_text(&table, &columns);
        let values: Vec<Value> = columns.into_iter().map(|(_, value)| value).collect();
        self.session.run(&sql, &values)?;
        Ok(Outcome::ok())
    }

    /// `D`: deletes one row, or none (AMI-172).
    fn delete(&mut self, instruction: &Instruction) -> std::result::Result<Outcome, Stop> {
        let Some(table) = self.table(instruction)? else { return Ok(Outcome::ok()) };
        let (table, mut columns) = self.columns(instruction, table)?;
        if let (Some(place), Some(id)) = (reserved_column(&table, "I"), instruction.field("I")) {
            columns = vec![(place, to_column(id.value(), table.columns[place].ty)?)];
            if let Some(place) = reserved_column(&table, "P") {
                columns.push((place, to_column(Value::text(&self.login), table.columns[place].ty)?));
            }
        }
        if columns.is_empty() {
            return refuse(1, "Missing required Fields: a column that selects the row");
        }
        self.session.with_hook_context(&mut |ctx| delete_first(ctx, &table, &columns))?;
        Ok(Outcome::ok())
    }
}

/// A table by its message name: exact, else the only one that differs by case. Internal tables are not found.
fn find_table(catalog: &Catalog, name: &str) -> Option<Arc<TableDef>> {
    let mut near = None;
    let mut several = false;
    for table in catalog.tables().filter(|table| table.schema == PUBLIC && !table.hidden) {
        if table.name == name {
            return Some(table.clone());
        }
        if table.name.eq_ignore_ascii_case(name) {
            several = near.replace(table.clone()).is_some();
        }
    }
    near.filter(|_| !several)
}

fn qualified(table: &TableDef) -> String {
    format!("public.{}", ident(&table.name))
}

/// A declared reserved column of an AMI table (AMI-40).
fn reserved_column(table: &TableDef, name: &str) -> Option<usize> {
    if table.dialect == "ami" { table.column_index(name) } else { None }
}

fn ami_type(ty: DataType) -> &'static str {
    use tripline_sql::types::oid;
    match ty.oid {
        oid::BOOL => "Boolean",
        oid::INT4 => "Integer",
        oid::INT8 => "Long",
        oid::FLOAT4 => "Float",
        oid::FLOAT8 => "Double",
        oid::TIMESTAMPTZ => "UTC",
        oid::BYTEA => "Binary",
        _ => "String",
    }
}

/// INSERT of the given columns. An AMI PRIMARY index makes an upsert of it by itself; a PostgreSQL primary key whose columns
/// are all given does the same by ON CONFLICT.
fn insert_text(table: &TableDef, columns: &[(usize, Value)]) -> String {
    if columns.is_empty() {
        return format!("INSERT INTO {} DEFAULT VALUES", qualified(table));
    }
    let name = |place: usize| ident(&table.columns[place].name);
    let names: Vec<String> = columns.iter().map(|(place, _)| name(*place)).collect();
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    let mut sql = format!("INSERT INTO {} ({}) VALUES ({})", qualified(table), names.join(", "), marks.join(", "));
    let upserts = table.indexes.iter().any(|index| index.upsert);
    let key = table.primary_key().filter(|_| !upserts).and_then(key_places).filter(|key| given(key, columns));
    if let Some(key) = key {
        let key_names: Vec<String> = key.iter().map(|place| name(*place)).collect();
        let _ = write!(sql, " ON CONFLICT ({}) DO ", key_names.join(", "));
        let others: Vec<String> =
            columns.iter().map(|(place, _)| *place).filter(|place| !key.contains(place)).map(name).collect();
        if others.is_empty() {
            sql.push_str("NOTHING");
        } else {
            let sets: Vec<String> = others.iter().map(|name| format!("{name} = EXCLUDED.{name}")).collect();
            let _ = write!(sql, "UPDATE SET {}", sets.join(", "));
        }
    }
    sql
}

/// The places of an index's columns; none if it is over expressions or not over all rows.
fn key_places(index: &IndexDef) -> Option<Vec<usize>> {
    if index.predicate.is_some() {
        return None;
    }
    index.keys.iter().map(|key| key.column).collect()
}

fn given(key: &[usize], columns: &[(usize, Value)]) -> bool {
    key.iter().all(|place| columns.iter().any(|(given, value)| given == place && !value.is_null()))
}

/// Deletes the row that a fully given PRIMARY or UNIQUE index finds, else the first that is equal in all given columns.
fn delete_first(ctx: &mut dyn HookContext, table: &TableDef, columns: &[(usize, Value)]) -> Result<()> {
    let unique = |index: &&IndexDef| index.unique && key_places(index).is_some_and(|key| given(&key, columns));
    let mut indexes: Vec<&IndexDef> = table.indexes.iter().filter(unique).collect();
    indexes.sort_by_key(|index| !(index.upsert || index.primary));
    if let Some(index) = indexes.first() {
        let key = key_places(index).unwrap_or_default();
        let value = |place: &usize| columns.iter().find(|(given, _)| given == place).map(|(_, value)| value.clone());
        let key: Vec<Value> = key.iter().filter_map(value).collect();
        if let Some((id, row)) = ctx.lookup(table.id, index.oid, &key, true)?.into_iter().next() {
            ctx.delete(table.id, id, &row)?;
        }
        return Ok(());
    }
    let fits = |row: &Row| {
        columns.iter().all(|(place, value)| match row.get(*place) {
            Some(now) if now.is_null() || value.is_null() => now.is_null() && value.is_null(),
            Some(now) => equal(now, value),
            None => value.is_null(),
        })
    };
    loop {
        let mut found = None;
        ctx.scan(table.id, &mut |id, row| {
            if fits(row) {
                found = Some(id);
            }
            Ok(found.is_none())
        })?;
        let Some(id) = found else { return Ok(()) };
        // It may have gone or changed while its lock was awaited: look again then.
        match ctx.fetch(table.id, id, true)? {
            Some(row) if fits(&row) => {
                ctx.delete(table.id, id, &row)?;
                return Ok(());
            }
            _ => ctx.check_cancel()?,
        }
    }
}
