//! What views remember, as rows of hidden tables that belong to the trigger.
//!
//! Groups: `(key bytea, state bytea)`, unique over `key`, which is the group's key values in their ordered form (so null
//! is a key like any other). Its row is locked before a group is touched, and only that. Details:
//! `(grp bytea, slot int2, item bytea, n int8, data bytea)`, unique over the first three: one row per value (or source
//! row) that an aggregate of the group may have to fall back on.

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, IndexDef, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{HookContext, Put, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Row, Value};

use super::op::group::{Detail, decode_value, encode_value};
use crate::kind::state_table;

/// A hidden table and the index over its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateTable {
    /// The table.
    pub(crate) table: TableId,
    /// Its index.
    pub(crate) index: Oid,
}

impl StateTable {
    /// Makes one, its key the first columns.
    pub(crate) fn create(
        ctx: &mut dyn HookContext,
        id: TriggerId,
        name: &str,
        columns: &[(&str, DataType)],
        key_columns: usize,
    ) -> Result<StateTable> {
        let columns: Vec<(String, DataType)> = columns.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect();
        StateTable::of(&*ctx.create_state_table(id, &table_name(id, name), &columns, key_columns, true)?)
    }

    /// Finds one made before. Errors: XX000 if it is not there.
    pub(crate) fn find(catalog: &Catalog, def: &TriggerDef, name: &str) -> Result<StateTable> {
        let table = state_table(catalog, def, &table_name(def.id, name));
        StateTable::of(&*table.ok_or_else(|| SqlError::internal("a trigger's state table is missing"))?)
    }

    /// The row with this key.
    pub(crate) fn get(self, ctx: &mut dyn HookContext, key: &[Value], lock: bool) -> Result<Option<(RowId, Row)>> {
        Ok(ctx.lookup(self.table, self.index, key, lock)?.into_iter().next())
    }

    fn of(def: &TableDef) -> Result<StateTable> {
        let index = def.indexes.first().ok_or_else(|| SqlError::internal("a state table has no index"))?;
        Ok(StateTable { table: def.id, index: index.oid })
    }

    /// The index whose first column is this one. Errors: XX000 if there is none.
    pub(crate) fn other_index(self, catalog: &Catalog, column: usize) -> Result<Oid> {
        let leads = |index: &&IndexDef| index.keys.first().is_some_and(|key| key.column == Some(column));
        let found = catalog.table(self.table).and_then(|def| def.indexes.iter().find(leads));
        found.map(|index| index.oid).ok_or_else(|| SqlError::internal("a state table has no second index"))
    }

    /// Removes all rows.
    pub(crate) fn clear(self, ctx: &mut dyn HookContext) -> Result<()> {
        clear_table(ctx, self.table)
    }
}

/// Deletes every row of a table, with its triggers, as one statement.
pub(crate) fn clear_table(ctx: &mut dyn HookContext, table: TableId) -> Result<()> {
    let mut rows: Vec<Put> = Vec::new();
    ctx.scan(table, &mut |id, row| {
        rows.push(Put::Delete(id, row.clone()));
        Ok(true)
    })?;
    if !rows.is_empty() {
        ctx.write(table, rows)?;
    }
    Ok(())
}

fn table_name(id: TriggerId, name: &str) -> String {
    format!("trigger_{}_{name}", id.0)
}

/// 40001: the transaction's snapshot is too old for what others have made of a group or key.
pub(crate) fn overtaken(what: &str) -> SqlError {
    SqlError::new(SqlState::SERIALIZATION_FAILURE, format!("could not serialize access to {what} of a derived table"))
}

/// The tables of a trigger with groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupTables {
    /// Groups.
    pub(crate) groups: StateTable,
    /// Details, if an aggregate needs them.
    pub(crate) details: Option<StateTable>,
}

fn groups_name(id: TriggerId) -> String {
    format!("trigger_{}_groups", id.0)
}

fn details_name(id: TriggerId) -> String {
    format!("trigger_{}_details", id.0)
}

impl GroupTables {
    /// Makes them.
    pub(crate) fn create(ctx: &mut dyn HookContext, id: TriggerId, detailed: bool) -> Result<GroupTables> {
        let column = |name: &str, ty: DataType| (name.to_owned(), ty);
        let groups = ctx.create_state_table(
            id,
            &groups_name(id),
            &[column("key", DataType::BYTEA), column("state", DataType::BYTEA)],
            1,
            true,
        )?;
        let details = if detailed {
            let columns = [
                column("grp", DataType::BYTEA),
                column("slot", DataType::INT2),
                column("item", DataType::BYTEA),
                column("n", DataType::INT8),
                column("data", DataType::BYTEA),
            ];
            Some(StateTable::of(&*ctx.create_state_table(id, &details_name(id), &columns, 3, true)?)?)
        } else {
            None
        };
        Ok(GroupTables { groups: StateTable::of(&groups)?, details })
    }

    /// Finds those of a trigger made before. Errors: XX000 if they are not there.
    pub(crate) fn find(catalog: &Catalog, def: &TriggerDef) -> Result<GroupTables> {
        let named = |name: &str| state_table(catalog, def, name);
        let groups =
            named(&groups_name(def.id)).ok_or_else(|| SqlError::internal("a trigger's state table is missing"))?;
        let details = named(&details_name(def.id)).map(|table| StateTable::of(&table)).transpose()?;
        Ok(GroupTables { groups: StateTable::of(&groups)?, details })
    }
}

/// The details of one group.
pub(crate) struct GroupDetail<'a, 'c> {
    /// The transaction.
    pub(crate) ctx: &'a mut (dyn HookContext + 'c),
    /// The detail table.
    pub(crate) table: Option<StateTable>,
    /// The group's key.
    pub(crate) group: Value,
}

impl GroupDetail<'_, '_> {
    fn table(&self) -> Result<StateTable> {
        self.table.ok_or_else(|| SqlError::internal("a trigger's detail table is missing"))
    }
}

fn slot_value(slot: usize) -> Value {
    Value::Int2(i16::try_from(slot).unwrap_or(i16::MAX))
}

impl Detail for GroupDetail<'_, '_> {
    fn change(&mut self, slot: usize, item: &[u8], n: i64, value: &Value) -> Result<(i64, i64)> {
        let place = self.table()?;
        let key = [self.group.clone(), slot_value(slot), Value::Bytea(Arc::from(item))];
        let found = self.ctx.lookup(place.table, place.index, &key, false)?.into_iter().next();
        let before = found.as_ref().and_then(|(_, row)| row.get(3)).and_then(Value::as_i64).unwrap_or(0);
        let after = before + n;
        let [group, slot, item] = key;
        let row = |data: Value| vec![group, slot, item, Value::Int8(after), data];
        match found {
            Some((id, old)) if after <= 0 => {
                self.ctx.delete(place.table, id, &old)?;
            }
            Some((id, old)) => {
                let data = match value {
                    // Only a removal of one of several: what stands there stays.
                    Value::Null if n < 0 => old.get(4).cloned().unwrap_or(Value::Null),
                    value => Value::Bytea(Arc::from(encode_value(value))),
                };
                let new = row(data);
                if new != old {
                    self.ctx.update(place.table, id, &old, new)?;
                }
            }
            None if after > 0 => {
                let new = row(Value::Bytea(Arc::from(encode_value(value))));
                self.ctx.insert(place.table, new)?;
            }
            // Came and went within the statement.
            None if n == 0 => {}
            None => return Err(SqlError::internal("a value that goes was never counted")),
        }
        Ok((before, after))
    }

    fn edge(&mut self, slot: usize, last: bool) -> Result<Option<(Vec<u8>, Value)>> {
        let place = self.table()?;
        let key = [self.group.clone(), slot_value(slot)];
        let Some((_, row)) = self.ctx.lookup_edge(place.table, place.index, &key, last)? else { return Ok(None) };
        match (row.get(2), row.get(4)) {
            (Some(Value::Bytea(item)), Some(Value::Bytea(data))) => Ok(Some((item.to_vec(), decode_value(data)?))),
            _ => Err(SqlError::internal("a detail row has another shape")),
        }
    }
}
