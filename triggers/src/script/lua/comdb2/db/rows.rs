//! Rows for scripts: results that are read row by row (CDB-1014 to CDB-1016), and rows as tables (CDB-1015).
//!
//! A query is read in batches, while the transaction in which it began is open; before that ends, what is left of the
//! queries that the script still has is read to the end, as far as its memory reaches. So a script may leave a large
//! result where it is, and may read on after a commit.

use std::collections::VecDeque;
use std::sync::Arc;

use mlua::{AnyUserData, Function, Lua, MetaMethod, Table, UserData, UserDataMethods, Value as LuaValue};
use parking_lot::Mutex;
use tripline_sql::change::QueryResult;
use tripline_sql::error::{Result, SqlError};
use tripline_sql::session::{Begun, Reading, ResultColumn, Session};
use tripline_sql::types::{DataType, Row, Value, format_type};

use super::{Host, raise, with_host};
use crate::script::lua::budget::{Held, Outside, out_of_memory};
use crate::script::lua::convert::to_lua;

/// Rows, and bytes of them, that are read at a time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of rows that may stay behind when a transaction ends.
const LEFT_MAX: usize = 64 << 20;

/// A result under way.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    reading: Option<Reading>,
    ready: VecDeque<Row>,
    /// Why there is nothing more.
    failed: Option<SqlError>,
}

/// The queries of a transaction that are not at their end.
#[derive(Debug, Default)]
pub(crate) struct Cursors(Vec<Arc<Mutex<Cursor>>>);

/// Rows given to `emit`, or those of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(super) columns: Arc<[(String, DataType)]>,
    cursor: Arc<Mutex<Cursor>>,
}

impl UserData for Source {}

/// What a statement gave.
pub(super) struct Found {
    pub(super) source: Source,
    /// Rows that a write changed.
    pub(super) changed: u64,
}

/// Whether a statement with this tag changes rows.
fn is_write(tag: &str) -> bool {
    matches!(tag.split(' ').next(), Some("INSERT" | "UPDATE" | "DELETE" | "MERGE"))
}

/// About how many bytes a row takes.
pub(super) fn row_weight(row: &[Value]) -> usize {
    row.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum()
}

impl Cursor {
    /// Reads on, until so many bytes are there; true at the end.
    fn read(&mut self, session: &mut Session, rows_max: usize, bytes_max: usize) -> Result<bool> {
        let (mut rows, mut bytes) = (0, 0);
        while let Some(reading) = &mut self.reading {
            if rows >= rows_max || bytes >= bytes_max {
                return Ok(false);
            }
            match session.read_inside(reading) {
                Ok(Some(row)) => {
                    rows += 1;
                    bytes += row_weight(&row);
                    self.ready.push_back(row);
                }
                ended => {
                    if let Some(reading) = self.reading.take() {
                        session.end_reading(reading);
                    }
                    ended?;
                }
            }
        }
        Ok(true)
    }
}

impl Host {
    /// Takes what a statement gave; of a query the first rows.
    pub(super) fn found(&mut self, begun: Begun) -> Result<Option<Found>> {
        Ok(Some(match begun {
            Begun::Refused => return Ok(None),
            Begun::Result(result) => {
                self.count(&result);
                let changed = if is_write(&result.tag) { result.count } else { 0 };
                let QueryResult { columns, rows, .. } = result;
                let cursor = Cursor { ready: rows.into(), ..Cursor::default() };
                let source = Source { columns: columns.into(), cursor: Arc::new(Mutex::new(cursor)) };
                Found { source, changed }
            }
            Begun::Reading(columns, reading) => {
                let mut cursor = Cursor { reading: Some(reading), ..Cursor::default() };
                let ended = cursor.read(self.session()?, BATCH, BATCH_BYTES)?;
                self.effects.selected += cursor.ready.len() as u64;
                let cursor = Arc::new(Mutex::new(cursor));
                if !ended {
                    self.forget_cursors();
                    self.cursors.0.push(cursor.clone());
                }
                Found { source: Source { columns: columns.into(), cursor }, changed: 0 }
            }
        }))
    }

    /// The next row.
    pub(super) fn next_row(&mut self, source: &Source) -> Result<Option<Row>> {
        let mut cursor = source.cursor.lock();
        if cursor.ready.is_empty() && cursor.reading.is_some() {
            cursor.read(self.session()?, BATCH, BATCH_BYTES)?;
            self.effects.selected += cursor.ready.len() as u64;
        }
        match cursor.ready.pop_front() {
            None => cursor.failed.take().map_or(Ok(None), Err),
            row => Ok(row),
        }
    }

    /// Ends queries that no script has any more.
    fn forget_cursors(&mut self) {
        let Some(session) = &mut self.session else { return };
        self.cursors.0.retain(|cursor| {
            let mut it = cursor.lock();
            let kept = Arc::strong_count(cursor) > 1 && it.reading.is_some();
            if let Some(reading) = it.reading.take_if(|_| !kept) {
                session.end_reading(reading);
            }
            kept
        });
    }

    /// The script is at its end: nobody asks for the rest of its queries.
    pub(crate) fn close_cursors(&mut self) {
        let Some(session) = &mut self.session else { return };
        for cursor in std::mem::take(&mut self.cursors.0) {
            if let Some(reading) = cursor.lock().reading.take() {
                session.end_reading(reading);
            }
        }
    }

    /// Before the transaction ends: what scripts may still ask of their queries is read.
    pub(crate) fn settle(&mut self) {
        if self.cursors.0.is_empty() {
            return;
        }
        self.forget_cursors();
        let Some(session) = &mut self.session else { return };
        let mut left = LEFT_MAX;
        for cursor in std::mem::take(&mut self.cursors.0) {
            let mut cursor = cursor.lock();
            let result = cursor.read(session, usize::MAX, left);
            left = left.saturating_sub(cursor.ready.iter().map(|row| row_weight(row)).sum());
            match result {
                Ok(true) => {}
                Ok(false) => cursor.failed = Some(out_of_memory()),
                Err(error) => cursor.failed = Some(error),
            }
            if let Some(reading) = cursor.reading.take() {
                session.end_reading(reading);
            }
        }
    }
}

impl Source {
    /// Gives a row back that was taken too early.
    pub(super) fn put_back(&self, row: Row) {
        self.cursor.lock().ready.push_front(row);
    }

    fn bytes(&self) -> usize {
        self.cursor.lock().ready.iter().map(|row| row_weight(row)).sum()
    }
}

/// Rows of a statement (CDB-1014 to CDB-1016).
pub(super) struct Rows<const EMITS: bool> {
    sql: String,
    source: Source,
    changed: u64,
    write: bool,
    closed: bool,
    /// What it takes while the script has it.
    held: Option<Arc<Held>>,
}

pub(super) fn rows_userdata(lua: &Lua, sql: &str, found: Option<Found>, emits: bool) -> mlua::Result<LuaValue> {
    let Some(found) = found else { return Ok(LuaValue::Nil) };
    let data = if emits {
        lua.create_userdata(Rows::<true>::new(lua, sql, found)?)?
    } else {
        lua.create_userdata(Rows::<false>::new(lua, sql, found)?)?
    };
    Ok(LuaValue::UserData(data))
}

impl<const EMITS: bool> Rows<EMITS> {
    pub(super) fn new(lua: &Lua, sql: &str, found: Found) -> mlua::Result<Rows<EMITS>> {
        let Found { source, changed } = found;
        let write = source.columns.is_empty();
        let held = Outside::hold(lua, source.bytes() + sql.len())?;
        Ok(Rows { sql: sql.to_owned(), source, changed, write, closed: false, held })
    }

    /// Rows that a write changed, also one that returns them.
    pub(super) fn changed(&self) -> u64 {
        self.changed
    }

    fn readable(&self) -> mlua::Result<()> {
        if self.closed {
            return Err(mlua::Error::runtime("no active stmt"));
        }
        if self.write {
            return Err(mlua::Error::runtime("statement must be read-only"));
        }
        Ok(())
    }

    /// What has not been fetched yet; the statement is at its end then.
    pub(super) fn rest(&mut self) -> mlua::Result<Source> {
        self.readable()?;
        self.closed = true;
        let cursor = std::mem::take(&mut self.source.cursor);
        Ok(Source { columns: self.source.columns.clone(), cursor })
    }

    pub(super) fn fetch(&mut self, lua: &Lua) -> mlua::Result<LuaValue> {
        self.readable()?;
        let row = with_host(lua, |host| Ok(host.next_row(&self.source)))?;
        match row.map_err(|error| raise(lua, error))? {
            Some(values) => row_table(lua, &self.source.columns, &values).map(LuaValue::Table),
            None => {
                self.close();
                Ok(LuaValue::Nil)
            }
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.source.cursor = Arc::default();
        self.held = None;
    }
}

/// What a fetched row knows of its columns, for `emit`.
pub(super) struct RowShape(pub(super) Arc<[(String, DataType)]>);

impl UserData for RowShape {}

/// A row for a script: names are its own keys, so that `pairs` visits each column once; positions come through the
/// metatable, for `ipairs` too.
fn row_table(lua: &Lua, columns: &Arc<[(String, DataType)]>, values: &[Value]) -> mlua::Result<Table> {
    let row = lua.create_table_with_capacity(0, values.len())?;
    let places = lua.create_table_with_capacity(values.len(), 0)?;
    for ((name, ty), value) in columns.iter().zip(values) {
        let value = to_lua(lua, value, *ty)?;
        places.raw_push(value.clone())?;
        row.raw_set(name.as_str(), value)?;
    }
    let meta = lua.create_table()?;
    meta.raw_set(MetaMethod::Index.name(), &places)?;
    meta.raw_set("__columns", lua.create_userdata(RowShape(columns.clone()))?)?;
    meta.raw_set("__places", places)?;
    row.set_metatable(Some(meta))?;
    Ok(row)
}

/// `db:copyrow`: a row of its own.
pub(super) fn copy_row(lua: &Lua, row: &Table) -> mlua::Result<Table> {
    let copy = lua.create_table()?;
    for pair in row.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair?;
        copy.raw_set(key, value)?;
    }
    copy.set_metatable(row.metatable())?;
    Ok(copy)
}

/// The columns that a statement gives, whether it has run or not; none for a write.
fn columns_of(lua: &Lua, sql: &str, parameters: usize) -> mlua::Result<Vec<ResultColumn>> {
    with_host(lua, |host| {
        let found = host.begun().and_then(|session| session.result_columns(sql, &vec![0; parameters]));
        found.map_err(mlua::Error::external)
    })
}

/// The methods that read the columns of a statement (CDB-1016): `of` gives its text and how many parameters it has.
pub(super) fn column_methods<T: 'static, M: UserDataMethods<T>>(methods: &mut M, of: fn(&T) -> (&str, usize)) {
    let column = move |lua: &Lua, this: &T, n: usize| -> mlua::Result<Option<ResultColumn>> {
        let (sql, parameters) = of(this);
        Ok(n.checked_sub(1).and_then(|n| columns_of(lua, sql, parameters).ok()?.into_iter().nth(n)))
    };
    methods.add_method("column_count", move |lua, this, ()| {
        let (sql, parameters) = of(this);
        columns_of(lua, sql, parameters).map(|columns| columns.len())
    });
    methods.add_method("column_name", move |lua, this, n: usize| Ok(column(lua, this, n)?.map(|column| column.name)));
    methods.add_method("column_origin_name", move |lua, this, n: usize| {
        Ok(column(lua, this, n)?.and_then(|column| column.origin).map(|(_, name)| name))
    });
    methods.add_method("column_table_name", move |lua, this, n: usize| {
        Ok(column(lua, this, n)?.and_then(|column| column.origin).map(|(table, _)| table))
    });
    methods.add_method("column_type", move |lua, this, n: usize| {
        Ok(column(lua, this, n)?.map(|column| format_type(column.ty)))
    });
    methods.add_method("column_decltype", move |lua, this, n: usize| {
        Ok(column(lua, this, n)?.filter(|column| column.origin.is_some()).map(|column| format_type(column.ty)))
    });
}

/// `emit` of a statement or table: it lets the client have rows in between, so it is a function of Lua.
pub(super) struct EmitAll(pub(super) Function);

pub(super) fn emits<T: 'static, M: UserDataMethods<T>>(methods: &mut M) {
    methods.add_meta_function(MetaMethod::Index, |lua, (_, name): (AnyUserData, LuaValue)| {
        let is_emit = matches!(&name, LuaValue::String(name) if name.as_bytes() == "emit");
        Ok(lua.app_data_ref::<EmitAll>().filter(|_| is_emit).map(|all| all.0.clone()))
    });
}

impl<const EMITS: bool> UserData for Rows<EMITS> {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("fetch", |lua, this, ()| this.fetch(lua));
        methods.add_method_mut("close", |_, this, ()| {
            this.close();
            Ok(0)
        });
        methods.add_method("rows_changed", |_, this, ()| Ok(this.changed()));
        column_methods(methods, |this: &Self| (&this.sql, 0));
        if EMITS {
            emits(methods);
        }
    }
}
