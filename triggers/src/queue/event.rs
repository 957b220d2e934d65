//! The event table that a Lua trigger's `main` gets (CDB-601 to CDB-609): `id`, `name`, `type`, `new`, `old`. Column names
//! are made Lua strings once per table definition.

use std::collections::HashMap;
use std::sync::Arc;

use mlua::{Lua, LuaString, Table, Value as LuaValue};
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{LoggedChange, Position, RowChange};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, TextStyle, Value, to_text};

use crate::kind::{Delivery, Operation};
use crate::script::lua::comdb2::db::EventInfo;
use crate::script::lua::convert::{blob, to_lua};
use crate::script::lua::{Budget, sql_error};

/// The columns that this change's event shows; none if it is no event of the trigger.
pub(super) fn columns<'a>(def: &'a TriggerDef, change: &LoggedChange) -> Option<&'a [String]> {
    // Rewriting and emptying a table are no events (CDB-611).
    if matches!(change.writer, TriggerId::DDL | TriggerId::TRUNCATE) {
        return None;
    }
    let event = def.events.iter().find(|event| event.table == change.table)?;
    match Operation::of(&change.change) {
        Operation::Insert => event.insert.as_deref(),
        Operation::Update => event.update.as_deref(),
        Operation::Delete => event.delete.as_deref(),
    }
}

/// Shown columns per operation: name, place, type.
type Shown = [Vec<(LuaString, usize, DataType)>; 3];

/// A watched table as last seen: it may be dropped while events of it still wait.
struct Watched {
    /// None: it is gone, and will not change any more.
    def: Option<Arc<TableDef>>,
    name: LuaString,
    shown: Shown,
    /// What older changes show: those from before this version of the table, the lowest first.
    older: Vec<(u32, Shown)>,
    /// The metatable of rows whose columns had other names: these lead to them too.
    former: Option<Table>,
}

/// The watched tables of a trigger.
#[derive(Default)]
pub(super) struct Tables {
    rule: Option<Arc<TriggerDef>>,
    tables: HashMap<TableId, Watched>,
}

impl Tables {
    /// Looks at the tables' newest definitions. Columns dropped meanwhile disappear from later events (CDB-503).
    pub(super) fn refresh(&mut self, lua: &Lua, def: &Arc<TriggerDef>, catalog: &Catalog) -> Result<()> {
        let def = catalog.trigger(def.id).unwrap_or(def);
        if !self.rule.as_ref().is_some_and(|rule| Arc::ptr_eq(rule, def)) {
            self.tables.retain(|_, watched| watched.def.is_none());
            self.rule = Some(def.clone());
        }
        for event in &def.events {
            let there = catalog.table(event.table);
            let have = self.tables.get(&event.table).map(|have| have.def.as_ref());
            match (have, there) {
                (Some(Some(have)), Some(there)) if Arc::ptr_eq(have, there) => continue,
                // Dropped after it was seen: what is known of it is what it was.
                (Some(_), None) => continue,
                _ => {}
            }
            let Some(table) = catalog.watched(def, event.table) else { continue };
            let name = catalog.watched_name(def, event.table).unwrap_or(&table.name);
            let watched = Watched::new(lua, def, event, table, there, name).map_err(|error| sql_error(&error))?;
            self.tables.insert(event.table, watched);
        }
        Ok(())
    }

    /// The event table of a change, and what it is. What its values take is no part of the procedure's own memory: an event
    /// of any size reaches it (CDB-213).
    pub(super) fn event(&self, lua: &Lua, delivery: &Delivery<'_>, number: Option<i64>) -> Result<(Table, EventInfo)> {
        let info = EventInfo {
            tid: i64::try_from(delivery.position.commit.0).unwrap_or(i64::MAX),
            epoch: delivery.committed_at.div_euclid(1_000_000),
            sequence: number,
        };
        let images = [delivery.change.change.new_row(), delivery.change.change.old()];
        let bytes = images.into_iter().flatten().flatten().map(Value::heap_bytes).sum();
        Budget::give(lua, bytes).map_err(|error| sql_error(&error))?;
        Ok((self.build(lua, delivery).map_err(|error| sql_error(&error))?, info))
    }

    fn build(&self, lua: &Lua, delivery: &Delivery<'_>) -> mlua::Result<Table> {
        let event = lua.create_table_with_capacity(0, 5)?;
        event.raw_set("id", blob(&id(delivery.position).map_err(mlua::Error::external)?))?;
        let operation = Operation::of(&delivery.change.change);
        event.raw_set("type", ["add", "upd", "del"][operation as usize])?;
        let Some(watched) = self.tables.get(&delivery.change.table) else { return Ok(event) };
        event.raw_set("name", watched.name.clone())?;
        let older = watched.older.iter().find(|(until, _)| delivery.change.schema_version < *until);
        let shown = &older.map_or(&watched.shown, |(_, shown)| shown)[operation as usize];
        let change: &RowChange = &delivery.change.change;
        if let Some(new) = change.new_row() {
            event.raw_set("new", row(lua, shown, new, watched.former.as_ref())?)?;
        }
        if let Some(old) = change.old() {
            event.raw_set("old", row(lua, shown, old, watched.former.as_ref())?)?;
        }
        Ok(event)
    }
}

impl Watched {
    fn new(
        lua: &Lua,
        def: &TriggerDef,
        event: &TriggerEvent,
        table: &TableDef,
        there: Option<&Arc<TableDef>>,
        name: &str,
    ) -> mlua::Result<Watched> {
        // The columns of changes that were written before the table was of that version; none: the newest.
        let shown = |version: Option<u32>| -> mlua::Result<Shown> {
            let list = |columns: &Option<Vec<String>>| -> mlua::Result<Vec<(LuaString, usize, DataType)>> {
                let mut out = Vec::new();
                for name in columns.iter().flatten() {
                    let was = version.and_then(|version| former_column(def, table.id, name, version));
                    let now = || table.column_index(name).map(|place| (place, table.columns[place].ty));
                    if let Some((place, ty)) = was.unwrap_or_else(now) {
                        out.push((lua.create_string(name)?, place, ty));
                    }
                }
                Ok(out)
            };
            Ok([list(&event.insert)?, list(&event.update)?, list(&event.delete)?])
        };
        let former = def.former.columns.iter().filter(|column| column.table == table.id);
        let mut versions: Vec<u32> = former.map(|column| column.until).collect();
        versions.sort_unstable();
        versions.dedup();
        let older = versions.into_iter().map(|until| Ok((until, shown(Some(until))?))).collect::<mlua::Result<_>>()?;
        Ok(Watched {
            def: there.cloned(),
            name: lua.create_string(name)?,
            shown: shown(None)?,
            older,
            former: former_names(lua, def, table.id)?,
        })
    }
}

/// A column as it was in changes from before a version of its table, if it was another one or none at all.
fn former_column(def: &TriggerDef, table: TableId, name: &str, version: u32) -> Option<Option<(usize, DataType)>> {
    let all = def.former.columns.iter();
    let was = all.filter(|column| column.table == table && column.name == name && column.until >= version);
    was.min_by_key(|column| column.until).map(|column| column.was)
}

/// A metatable by which former names of columns lead to the columns (CDB-503).
fn former_names(lua: &Lua, def: &TriggerDef, table: TableId) -> mlua::Result<Option<Table>> {
    let renamed = def.former.names.iter().filter(|(id, _, _)| *id == table);
    let names = lua.create_table()?;
    for (_, was, now) in renamed {
        names.raw_set(was.as_str(), now.as_str())?;
    }
    if names.is_empty() {
        return Ok(None);
    }
    let meta = lua.create_table()?;
    let find =
        lua.create_function(move |_, (row, name): (Table, LuaValue)| match names.raw_get::<LuaValue>(name)? {
            LuaValue::Nil => Ok(LuaValue::Nil),
            now => row.raw_get(now),
        })?;
    meta.raw_set("__index", find)?;
    meta.raw_set("__metatable", false)?;
    Ok(Some(meta))
}

fn row(
    lua: &Lua,
    shown: &[(LuaString, usize, DataType)],
    values: &[Value],
    former: Option<&Table>,
) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, shown.len())?;
    if let Some(former) = former {
        table.set_metatable(Some(former.clone()))?;
    }
    for (name, place, ty) in shown {
        match values.get(*place).unwrap_or(&Value::Null) {
            // Comdb2 has no such type: its text (CDB-403).
            array @ Value::Array(_) => {
                let mut text = String::new();
                to_text(array, *ty, &TextStyle::default(), &mut text);
                table.raw_set(name, text)?;
            }
            value => table.raw_set(name, to_lua(lua, value, *ty)?)?,
        }
    }
    Ok(table)
}

/// Eight bytes that never come again (CDB-609): commit and place within it. With the first bit set the place has 28 bits
/// instead of 24. Errors: 54000 beyond these.
fn id(position: Position) -> Result<[u8; 8]> {
    let (commit, place) = (position.commit.0, u64::from(position.ordinal));
    let bits = match (commit, place) {
        (0..LOW_39, 0..LOW_24) => commit << 24 | place,
        (0..LOW_35, 0..LOW_28) => 1 << 63 | commit << 28 | place,
        _ => return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "no event id for this change")),
    };
    Ok(bits.to_be_bytes())
}

const LOW_24: u64 = 1 << 24;
const LOW_28: u64 = 1 << 28;
const LOW_35: u64 = 1 << 35;
const LOW_39: u64 = 1 << 39;

#[cfg(test)]
mod tests {
    use tripline_sql::catalog::{Column, Entry, Level, Persistence, Timing, TriggerId};
    use tripline_sql::change::{CommitNo, RowId};
    use tripline_sql::types::Oid;

    use super::*;
    use crate::script::Limits;
    use crate::script::lua::{Machine, comdb2};

    fn table(names: &[&str]) -> TableDef {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            ty: DataType::INT4,
            not_null: false,
            default: None,
            identity: None,
            generated: None,
            sequence: None,
            missing: None,
            collation: None,
            dropped: false,
            comment: None,
            domain: 0,
            acl: Vec::new(),
        };
        TableDef {
            id: TableId(1),
            schema: 2200,
            name: "t".to_owned(),
            owner: 10,
            row_type: 0,
            array_type: 0,
            columns: names.iter().map(column).collect(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            persistence: Persistence::Permanent,
            schema_version: 0,
            dialect: String::new(),
            options: Vec::new(),
            maintained_by: 0,
            hidden: false,
            display: Vec::new(),
            acl: Vec::new(),
            comment: None,
            shape: tripline_sql::catalog::TableShape::default(),
        }
    }

    fn definition(events: TriggerEvent) -> TriggerDef {
        TriggerDef {
            id: TriggerId(9),
            schema: 2200,
            name: "audit".to_owned(),
            dialect: "comdb2".to_owned(),
            kind: "lua_trigger".to_owned(),
            tables: vec![TableId(1)],
            events: vec![events],
            timing: Timing::Committed,
            level: Level::Row,
            when: None,
            priority: 0,
            options: Vec::new(),
            body: String::new(),
            text: String::new(),
            enabled: true,
            owner: 10,
            internal: Vec::new(),
            gone: Vec::new(),
            names: Vec::new(),
            former: tripline_sql::catalog::Former::default(),
        }
    }

    // The audit example's loop over the event, with the values put into text instead of a table.
    const MAIN: &str = "
local function main(event)
    local chg
    if event.new ~= nil then chg = event.new end
    if chg == nil then chg = {} end
    if event.old ~= nil then
        for k, v in pairs(event.old) do chg['old_'..k] = v end
    end
    local keys = {}
    for k in pairs(chg) do table.insert(keys, k) end
    table.sort(keys)
    local out = { event.type, event.name, tostring(event.id) }
    for _, k in ipairs(keys) do table.insert(out, k .. '=' .. tostring(chg[k])) end
    return table.concat(out, ' ')
end";

    // CDB-609: also where one transaction changes more rows than 24 bits can number.
    #[test]
    fn ids_never_come_again() {
        let id = |commit: u64, ordinal: u32| id(Position { commit: CommitNo(commit), ordinal });
        let mut seen = std::collections::HashSet::new();
        let top = 1 << 24;
        for commit in [0, 1, 2, 16, 17, 1 << 24, (1 << 28) + 1, (1 << 35) - 1] {
            for ordinal in [0, 1, 2, top - 1, top, top + 1, 2 * top, 3 * top + 1, (1 << 28) - 1] {
                assert!(seen.insert(id(commit, ordinal).unwrap()), "{commit} {ordinal}");
            }
        }
        for (commit, ordinal) in [(1, 1 << 28), (1 << 35, top), (1 << 39, 0), (u64::MAX, 5)] {
            assert_eq!(id(commit, ordinal).unwrap_err().state(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        }
        assert_eq!(id((1 << 39) - 1, top - 1).unwrap(), (u64::MAX >> 1).to_be_bytes());
    }

    // CDB-502, CDB-601, CDB-609
    #[test]
    fn columns_of_each_event() {
        let columns = |list: &[&str]| Some(list.iter().map(|name| (*name).to_owned()).collect());
        let events = TriggerEvent {
            table: TableId(1),
            insert: columns(&["i", "j"]),
            update: columns(&["j", "k"]),
            delete: columns(&["k", "gone"]),
        };
        let def = Arc::new(definition(events));
        let mut catalog = Catalog::default();
        catalog.put(Entry::Table(Arc::new(table(&["i", "j", "k"]))));
        let machine = Machine::new(Limits::LUA).unwrap();
        let mut tables = Tables::default();
        tables.refresh(machine.lua(), &def, &catalog).unwrap();
        let main = comdb2::load(&machine, MAIN, &|_, _| Ok(())).unwrap();
        let row = |values: [Option<i32>; 3]| values.iter().map(|v| Value::from(*v)).collect::<Vec<_>>();
        let run = |ordinal: u32, table: Oid, change: RowChange| {
            let change = LoggedChange {
                ordinal,
                table: TableId(table),
                schema_version: 0,
                row_id: RowId(1),
                writer: TriggerId::CLIENT,
                change,
            };
            super::columns(&def, &change)?;
            let position = Position { commit: CommitNo(2), ordinal };
            let delivery = Delivery { position, committed_at: 0, change: &change, hops: 0, attempts: 0, origin: 0 };
            let (event, _) = tables.event(machine.lua(), &delivery, None).unwrap();
            Some(machine.call(&main, event).unwrap().to_string().unwrap())
        };
        let (old, new) = (row([Some(1), None, Some(3)]), row([Some(4), Some(5), None]));
        assert_eq!(run(0, 1, RowChange::Insert { new: old.clone() }).unwrap(), "add t 0000000002000000 i=1 j=NULL");
        assert_eq!(
            run(1, 1, RowChange::Update { old: old.clone(), new }).unwrap(),
            "upd t 0000000002000001 j=5 k=NULL old_j=NULL old_k=3"
        );
        assert_eq!(run(2, 1, RowChange::Delete { old: old.clone() }).unwrap(), "del t 0000000002000002 old_k=3");
        assert_eq!(run(0, 7, RowChange::Delete { old }), None);
    }
}
