//! What a RELAY trigger makes of a change: which columns are sent for which event, from which expressions, and whether
//! (AMI-151 to AMI-155, AMI-159). Compiled once per definition of the source table.

use std::sync::Arc;

use tripline_sql::catalog::{IndexDef, TableDef, TriggerDef, TriggerEvent};
use tripline_sql::change::{LoggedChange, Position, RowChange};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value};

use super::message::{is_key, is_reserved};
use super::options::Protocol;
use crate::kind::Operation;
use crate::script::ami::{Code, Expr, Val, derived, find_column, single};
use crate::view::select::{in_option, over_row, value};

/// A column of the target and where its values come from.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    code: Code,
    /// The type of a plain source column.
    pub(super) ty: Option<DataType>,
}

/// The compiled trigger.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Arc<TableDef>,
    pub(super) target: String,
    condition: Option<Code>,
    pub(super) columns: Vec<Column>,
    /// Places in `columns` sent for insert, update, delete; none: that event is skipped.
    pub(super) events: [Option<Vec<usize>>; 3],
    /// Places in `columns` by which the receiver finds a row.
    pub(super) keys: Vec<usize>,
    protocol: Protocol,
}

/// A change as it is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) position: Position,
    /// The instance where the change was made; 0: this one.
    pub(super) origin: u64,
    pub(super) operation: Operation,
    /// Values of the event's columns.
    pub(super) values: Vec<Value>,
    /// Values of the keys before the change: updates and deletes over PostgreSQL's protocol.
    pub(super) key: Vec<Value>,
}

fn undefined(name: &str, table: &TableDef) -> SqlError {
    SqlError::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
    )
}

impl Plan {
    /// Compiles the options. Errors: 42601, 42701, 42703, 42P17 for a column that cannot be sent.
    pub(super) fn compile(def: &TriggerDef, source: &Arc<TableDef>, protocol: Protocol) -> Result<Plan> {
        let mut columns = match def.option("derivedValues").filter(|text| !text.trim().is_empty()) {
            Some(text) => derived_columns(text, source).map_err(|error| in_option("derivedValues", error))?,
            None => source.live_columns().map(|(_, column)| plain(source, &column.name)).collect::<Result<_>>()?,
        };
        let all: Vec<usize> = (0..columns.len()).collect();
        let mut list = |option: &str| -> Result<Option<Vec<usize>>> {
            match def.option(option) {
                None => Ok(Some(all.clone())),
                Some(text) if text.trim().is_empty() => Ok(None),
                Some(text) => places(text, source, &mut columns).map(Some).map_err(|error| in_option(option, error)),
            }
        };
        let events = [list("inserts")?, list("updates")?, list("deletes")?];
        let keys = match def.option("keys") {
            Some(text) => Some(places(text, source, &mut columns).map_err(|error| in_option("keys", error))?),
            None => keys_of(source, &columns),
        };
        if protocol == Protocol::Postgres && keys.is_none() && (events[1].is_some() || events[2].is_some()) {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("nothing tells which row of the target an update or delete on \"{}\" means", source.name),
            )
            .hint("Name the target columns that find a row with keys, or leave these events out with updates=\"\" deletes=\"\"."));
        }
        let keys = keys.unwrap_or_default();
        let sent = |place: usize| events.iter().flatten().any(|list| list.contains(&place));
        for (_, column) in columns.iter().enumerate().filter(|(place, _)| sent(*place)) {
            if protocol == Protocol::Ami && (!is_key(&column.name) || is_reserved(&column.name)) {
                return Err(SqlError::new(
                    SqlState::INVALID_OBJECT_DEFINITION,
                    format!("column \"{}\" cannot be sent in a message", column.name),
                )
                .hint("Give it another name with derivedValues."));
            }
        }
        let condition = def.option("where").filter(|text| !text.trim().is_empty());
        let condition = condition.map(|text| {
            single(text).and_then(|expr| over_row(&expr, source)).map_err(|error| in_option("where", error))
        });
        let target = def.option("target").map(str::trim).filter(|name| !name.is_empty());
        Ok(Plan {
            source: source.clone(),
            target: target.unwrap_or(&source.name).to_owned(),
            condition: condition.transpose()?.map(|(code, _)| code),
            columns,
            events,
            keys,
            protocol,
        })
    }

    /// The trigger's events, for those who count what waits.
    pub(super) fn trigger_event(&self) -> TriggerEvent {
        let names = |event: &Option<Vec<usize>>| event.as_ref().map(|_| Vec::new());
        let [insert, update, delete] = [&self.events[0], &self.events[1], &self.events[2]].map(names);
        TriggerEvent { table: self.source.id, insert, update, delete }
    }

    /// Whether a change may have to be sent: an update that changes nothing is no event (AMI-156), nor is a row that
    /// ALTER TABLE rewrote.
    pub(super) fn wants(def: &TriggerDef, change: &LoggedChange) -> bool {
        let Some(event) = def.events.iter().find(|event| event.table == change.table) else { return false };
        change.writer != tripline_sql::catalog::TriggerId::DDL
            && match &change.change {
                RowChange::Insert { .. } => event.insert.is_some(),
                RowChange::Update { old, new } => event.update.is_some() && old != new,
                RowChange::Delete { .. } => event.delete.is_some(),
            }
    }

    /// The columns sent for an event.
    pub(super) fn sent(&self, operation: Operation) -> &[usize] {
        self.events[operation as usize].as_deref().unwrap_or_default()
    }

    /// What is sent for a change; none: nothing. Errors: the expressions' own.
    pub(super) fn item(&self, position: Position, origin: u64, change: &RowChange) -> Result<Option<Item>> {
        let mut locals = Vec::new();
        let (old, new) = (change.old(), change.new_row());
        let mut operation = Operation::of(change);
        let passes = |row: Option<&Row>, locals: &mut Vec<Val>| match (&self.condition, row) {
            (Some(code), Some(row)) => value(code, row, &[], locals).map(|value| Val::S(value).truth()),
            (None, Some(_)) => Ok(true),
            (_, None) => Ok(false),
        };
        match (self.protocol, operation) {
            (Protocol::Postgres, Operation::Update) => {
                // The target holds the rows that pass: a row comes in and goes out with its values (AMI-200).
                operation = match (passes(old, &mut locals)?, passes(new, &mut locals)?) {
                    (true, true) => Operation::Update,
                    (false, true) => Operation::Insert,
                    (true, false) => Operation::Delete,
                    (false, false) => return Ok(None),
                };
            }
            _ if !passes(new.or(old), &mut locals)? => return Ok(None),
            _ => {}
        }
        let Some(list) = &self.events[operation as usize] else { return Ok(None) };
        let image = if operation == Operation::Delete { old } else { new };
        let image = image.ok_or_else(|| SqlError::internal("a change without its image"))?;
        let mut of = |places: &[usize], row: &Row| -> Result<Vec<Value>> {
            places.iter().map(|place| value(&self.columns[*place].code, row, &[], &mut locals)).collect()
        };
        let values = of(list, image)?;
        let key = match (self.protocol, operation, old) {
            (Protocol::Postgres, Operation::Update | Operation::Delete, Some(old)) => of(&self.keys, old)?,
            _ => Vec::new(),
        };
        Ok(Some(Item { position, origin, operation, values, key }))
    }
}

fn plain(source: &TableDef, name: &str) -> Result<Column> {
    let place = find_column(source, name).ok_or_else(|| undefined(name, source))?;
    let (code, _) = over_row(&Expr::Name(source.columns[place].name.clone(), 0), source)?;
    Ok(Column { name: name.to_owned(), code, ty: Some(source.columns[place].ty) })
}

fn derived_columns(text: &str, source: &TableDef) -> Result<Vec<Column>> {
    let mut out: Vec<Column> = Vec::new();
    for (name, expr) in derived(text)? {
        if out.iter().any(|column| column.name == name) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" is assigned more than once"),
            ));
        }
        let (code, _) = over_row(&expr, source)?;
        let ty = match &code {
            Code::Column(_, place) => source.columns.get(usize::from(*place)).map(|column| column.ty),
            _ => None,
        };
        out.push(Column { name, code, ty });
    }
    Ok(out)
}

/// The columns of a list of names; one that is not derived is the source's column of that name (AMI-152).
fn places(text: &str, source: &TableDef, columns: &mut Vec<Column>) -> Result<Vec<usize>> {
    let mut out = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(SqlError::syntax("a column name is missing"));
        }
        let place = columns.iter().position(|column| column.name == name);
        let place = place.or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)));
        let place = match place {
            Some(place) => place,
            None => {
                columns.push(plain(source, name)?);
                columns.len() - 1
            }
        };
        if out.contains(&place) {
            return Err(SqlError::new(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" is given twice")));
        }
        out.push(place);
    }
    Ok(out)
}

/// Without the option `keys`: the target columns that carry the source's primary key, else those of a unique index over
/// columns that are never null.
fn keys_of(source: &TableDef, columns: &[Column]) -> Option<Vec<usize>> {
    let carried = |index: &IndexDef| -> Option<Vec<usize>> {
        let place_of = |source_place: usize| {
            columns
                .iter()
                .position(|column| matches!(column.code, Code::Column(_, place) if usize::from(place) == source_place))
        };
        index.keys.iter().map(|key| key.column.and_then(place_of)).collect()
    };
    let solid = |index: &&IndexDef| {
        index.primary
            || index.upsert
            || index.keys.iter().all(|key| key.column.is_some_and(|place| source.columns[place].not_null))
    };
    let mut indexes: Vec<&IndexDef> =
        source.indexes.iter().filter(|index| index.unique && index.predicate.is_none()).filter(solid).collect();
    indexes.sort_by_key(|index| !(index.primary || index.upsert));
    indexes.into_iter().find_map(carried)
}
