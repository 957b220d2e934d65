//! What views share about their targets: who may write one (AMI-90 to AMI-92), which tables may be one (AMI-97), and that
//! no table derives from itself (AMI-94).

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, ConstraintKind, Reserved, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{HookContext, RowChange, Verdict};
use tripline_sql::error::{Result, SqlError, SqlState};

use crate::kind::{Listens, RowTrigger, Running, boolean, table_of};

/// Kinds that derive a table: edges of the graph.
const DERIVING: [&str; 4] = ["aggregate", "projection", "join", "decorate"];
/// Kinds that manage whole rows of their target.
const MANAGING: [&str; 3] = ["aggregate", "projection", "join"];

fn is(def: &TriggerDef, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| def.kind.eq_ignore_ascii_case(kind))
}

/// Checks that `target` may become the target of a managing trigger. `shared`: several of this kind may share it.
/// Errors: 42P17.
pub(crate) fn check_free(catalog: &Catalog, def: &TriggerDef, target: &TableDef, shared: bool) -> Result<()> {
    let other = catalog.triggers_of(target.id).iter().find(|other| {
        other.id != def.id
            && is(other, &MANAGING)
            && other.tables.last() == Some(&target.id)
            && !(shared && other.kind.eq_ignore_ascii_case(&def.kind))
    });
    match other {
        Some(other) => Err(SqlError::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            format!("table \"{}\" is already the target of trigger \"{}\"", target.name, other.name),
        )),
        None => Ok(()),
    }
}

/// Checks indexes, NOT NULL columns and the column of expiry of a managed target. Errors: 42P17.
pub(crate) fn check_shape(target: &TableDef, filled: &[usize]) -> Result<()> {
    let unique = target.indexes.iter().find(|index| index.unique || index.primary);
    if let Some(index) = unique {
        return Err(SqlError::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            format!(
                "table \"{}\" has the unique index \"{}\" and cannot be maintained by a trigger",
                target.name, index.name
            ),
        ));
    }
    if target.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. })) {
        return Err(SqlError::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            format!("table \"{}\" has a primary key and cannot be maintained by a trigger", target.name),
        ));
    }
    if (0..target.columns.len()).any(|place| target.reserved(place) == Some(Reserved::Expiry)) {
        return Err(SqlError::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            format!(
                "rows of table \"{}\" expire by their column \"E\", and it cannot be maintained by a trigger",
                target.name
            ),
        ));
    }
    for (place, column) in target.live_columns() {
        if column.not_null && !filled.contains(&place) {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!(
                    "column \"{}\" of table \"{}\" refuses null and is not filled by the trigger",
                    column.name, target.name
                ),
            ));
        }
    }
    Ok(())
}

/// Checks that the new trigger closes no circle of derivations. Errors: 42P17 naming the way.
pub(crate) fn check_cycle(catalog: &Catalog, def: &TriggerDef) -> Result<()> {
    let Some((target, sources)) = def.tables.split_last() else { return Ok(()) };
    let name = |id: &TableId| catalog.table(*id).map_or_else(|| id.0.to_string(), |table| table.name.clone());
    // Depth first from the target; a source reached closes the circle.
    let mut stack: Vec<Vec<TableId>> = vec![vec![*target]];
    let mut seen = vec![*target];
    while let Some(path) = stack.pop() {
        let here = path.last().copied().unwrap_or(*target);
        if sources.contains(&here) {
            let mut way = vec![name(&here)];
            way.extend(path.iter().map(name));
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("trigger \"{}\" would create a cycle: {}", def.name, way.join(" -> ")),
            ));
        }
        for other in catalog.triggers_of(here).iter().filter(|other| other.id != def.id && is(other, &DERIVING)) {
            let Some((next, from)) = other.tables.split_last() else { continue };
            if from.contains(&here) && !seen.contains(next) {
                seen.push(*next);
                let mut longer = path.clone();
                longer.push(*next);
                stack.push(longer);
            }
        }
    }
    Ok(())
}

/// 55000: another trigger writes these rows.
pub(crate) fn managed(target: &str, trigger: &str) -> SqlError {
    SqlError::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("cannot modify table \"{target}\": it is maintained by trigger \"{trigger}\""),
    )
}

/// Whether the trigger lets others update the rows it manages (AMI-91).
pub(crate) fn is_open(def: &TriggerDef) -> Result<bool> {
    Ok(!def.kind.eq_ignore_ascii_case("join") && boolean(def, "allowExternalUpdates")?)
}

/// A managing trigger that others may not update rows of must find no DECORATE on its target (AMI-148). Errors: 55000.
pub(crate) fn check_undecorated(catalog: &Catalog, def: &TriggerDef, target: &TableDef) -> Result<()> {
    if is_open(def)? {
        return Ok(());
    }
    let other = catalog
        .triggers_of(target.id)
        .iter()
        .find(|other| other.id != def.id && is(other, &["decorate"]) && other.tables.last() == Some(&target.id));
    match other {
        Some(other) => Err(SqlError::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("table \"{}\" is decorated by trigger \"{}\"", target.name, other.name),
        )
        .hint("Give the trigger allowExternalUpdates=\"true\".")),
        None => Ok(()),
    }
}

/// A table to be decorated must let others update its rows (AMI-148). Errors: 55000.
pub(crate) fn check_decorable(catalog: &Catalog, target: &TableDef) -> Result<()> {
    for other in catalog.triggers_of(target.id) {
        if is(other, &MANAGING) && other.tables.last() == Some(&target.id) && !is_open(other)? {
            return Err(managed(&target.name, &other.name));
        }
    }
    Ok(())
}

/// Checks that no table is named twice. Errors: 42712.
pub(crate) fn check_distinct(catalog: &Catalog, def: &TriggerDef) -> Result<()> {
    let sources = def.tables.split_last().map_or(&[][..], |(_, sources)| sources);
    for (place, id) in sources.iter().enumerate() {
        if sources[..place].contains(id) {
            let name = catalog.table(*id).map_or_else(String::new, |table| table.name.clone());
            return Err(SqlError::new(
                SqlState::DUPLICATE_ALIAS,
                format!("table name \"{name}\" specified more than once"),
            ));
        }
    }
    Ok(())
}

/// Keeps the names that the tables have now, for expressions that say `table.column`: a table renamed later keeps its
/// triggers (AMI-46).
pub(crate) fn remember_names(catalog: &Catalog, def: &mut TriggerDef) {
    let name = |id: &TableId| catalog.table(*id).map_or_else(String::new, |table| table.name.clone());
    def.body = def.tables.iter().map(name).collect::<Vec<_>>().join("\n");
}

/// A table of a definition, under the name that its expressions know. Errors: 42P01 (it went meanwhile).
pub(crate) fn known_table(catalog: &Catalog, def: &TriggerDef, place: usize) -> Result<Arc<TableDef>> {
    let id = def.tables.get(place).ok_or_else(|| SqlError::internal("a trigger names fewer tables"))?;
    let table = table_of(catalog, *id)?;
    match def.body.split('\n').nth(place).filter(|name| !name.is_empty() && *name != table.name) {
        Some(name) => Ok(Arc::new(TableDef { name: name.to_owned(), ..TableDef::clone(&table) })),
        None => Ok(table),
    }
}

/// Tells the log how far a rebuild has come.
pub(crate) fn progress(def_name: &str, table: &str, rows: u64) {
    tracing::info!(trigger = def_name, table, rows, "rebuilding a derived table");
}

/// Stands before a target with `allowExternalUpdates`: others may update its rows, not insert or delete them (AMI-91).
pub(crate) struct Guard {
    /// The trigger that maintains it.
    pub(crate) owner: TriggerId,
    /// Its name.
    pub(crate) name: String,
    /// The target's name.
    pub(crate) target: String,
}

impl RowTrigger for Guard {
    fn listens(&self) -> Listens {
        Listens { before: [true, false, true], after: [false; 3] }
    }

    fn observes(&self) -> bool {
        false
    }

    fn repeats(&self) -> bool {
        true
    }

    fn start(self: Arc<Self>, _observed: bool) -> Box<dyn Running> {
        Box::new(GuardRun(self))
    }
}

struct GuardRun(Arc<Guard>);

impl Running for GuardRun {
    fn before(
        &mut self,
        _: &mut dyn HookContext,
        _: &RowChange,
        _: Option<&[usize]>,
        writer: TriggerId,
    ) -> Result<Verdict> {
        if writer == self.0.owner {
            return Ok(Verdict::Keep);
        }
        Err(managed(&self.0.target, &self.0.name))
    }
}
