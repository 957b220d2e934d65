//! The kind PROJECTION (AMI-130 to AMI-136): rows of one or more sources that pass, each as one row of a target.
//!
//! Of a source row the target holds at most one row; which one stands in a state table `row and source -> target row`. A
//! change of a row that is projected the same before and after costs nothing. A source row's own lock is all that is
//! needed: nobody else touches its state. Others may have rows of their own in the target; who writes a managed one is
//! found by the state's second index, over the target row.

use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Row, Value};

use super::pair::{Cell, make};
use super::select::{self, Cast, Named, Place};
use super::state::StateTable;
use super::target::{
    check_cycle, check_distinct, check_free, check_shape, check_undecorated, known_table, managed, progress,
    remember_names,
};
use super::{Maintained, Maintenance};
use crate::kind::{self, Attachment, Instance, Kind, Listens, RowTrigger, Running, boolean, table_of};
use crate::script::ami::{Code, Expr, Type, Val, expressions, find_column};

/// The kind.
pub struct Projection;

/// The state's name and columns.
const ROWS: &str = "projected";
const COLUMNS: [(&str, DataType); 2] = [("id", DataType::INT8), ("target", DataType::INT8)];

impl Kind for Projection {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn derives(&self) -> bool {
        true
    }

    fn manages(&self) -> bool {
        true
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        kind::check_options(&def, &["wheres", "selects", "allowExternalUpdates"])?;
        kind::table_count(&def, def.tables.len() >= 2, "at least one source and a target")?;
        kind::permanent_only(&ctx.catalog(), &def)?;
        kind::required(&def, "selects")?;
        boolean(&def, "allowExternalUpdates")?;
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        let (sources, target) = tables(&catalog, &def)?;
        check_cycle(&catalog, &def)?;
        check_distinct(&catalog, &def)?;
        check_free(&catalog, &def, &target, true)?;
        check_undecorated(&catalog, &def, &target)?;
        let query = Query::compile(&catalog, &def, &sources, &target)?;
        for source in &query.sources {
            let filled: Vec<usize> = source.selects.iter().map(|(place, ..)| *place).collect();
            check_shape(&target, &filled)?;
        }
        let all = || Some(Vec::new());
        let event =
            |source: &Arc<TableDef>| TriggerEvent { table: source.id, insert: all(), update: all(), delete: all() };
        def.events = sources.iter().map(event).collect();
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        let state = StateTable::create(ctx, def.id, ROWS, &COLUMNS, 1)?;
        ctx.ensure_index(def.id, state.table, &[TARGET_COLUMN])?;
        let plan = Arc::new(Plan::of(&ctx.catalog(), def)?);
        clear_unmanaged(ctx, &plan)?;
        rebuild(ctx, plan)
    }

    fn toggled(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        if !def.enabled {
            return Ok(());
        }
        // What others did to the target meanwhile stays, but for the rows that were this trigger's.
        let plan = Arc::new(Plan::of(&ctx.catalog(), def)?);
        let mut own = Vec::new();
        ctx.scan(plan.state.table, &mut |_, row| {
            own.extend(stored_target(row));
            Ok(true)
        })?;
        let mut puts = Vec::new();
        for id in own {
            if let Some(row) = ctx.fetch(plan.query.target.id, id, true)? {
                puts.push(Put::Delete(id, row));
            }
        }
        ctx.write(plan.query.target.id, puts)?;
        plan.state.clear(ctx)?;
        rebuild(ctx, plan)
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        let Some(table) = table else { return Ok(None) };
        let plan = Arc::new(Plan::of(catalog, def)?);
        Ok(Some(Attachment::InTransaction(if def.tables.last() == Some(&table.id) {
            Arc::new(Guard(plan))
        } else {
            Maintained::<Run>::by(plan)
        })))
    }
}

fn tables(catalog: &Catalog, def: &TriggerDef) -> Result<(Vec<Arc<TableDef>>, Arc<TableDef>)> {
    let Some((target, sources)) = def.tables.split_last() else {
        return Err(SqlError::internal("a projection has tables"));
    };
    let sources: Result<Vec<_>> = (0..sources.len()).map(|place| known_table(catalog, def, place)).collect();
    Ok((sources?, table_of(catalog, *target)?))
}

/// The state's column that names the target row.
const TARGET_COLUMN: usize = 1;

fn stored_target(row: &Row) -> Option<RowId> {
    row.get(TARGET_COLUMN).and_then(Value::as_i64).map(|id| RowId(id.cast_unsigned()))
}

fn number(id: RowId) -> Value {
    Value::Int8(id.0.cast_signed())
}

/// What the options say of one source.
struct Source {
    table: Arc<TableDef>,
    wheres: Vec<Code>,
    /// Target column, how it takes a value, expression.
    selects: Vec<Cell>,
    /// Columns that any of them names.
    used: Vec<usize>,
}

/// The compiled options.
struct Query {
    sources: Vec<Source>,
    target: Arc<TableDef>,
}

/// To which sources an expression applies (AMI-132, AMI-133).
enum Applies {
    /// `table.column` ties it.
    Tied(usize),
    /// Every source that has all its columns.
    Where(Vec<bool>),
}

impl Query {
    fn compile(catalog: &Catalog, def: &TriggerDef, tables: &[Arc<TableDef>], target: &Arc<TableDef>) -> Result<Query> {
        let source = |table: &Arc<TableDef>| Source {
            table: table.clone(),
            wheres: Vec::new(),
            selects: Vec::new(),
            used: Vec::new(),
        };
        let mut sources: Vec<Source> = tables.iter().map(source).collect();
        if let Some(text) = def.option("wheres").filter(|text| !text.trim().is_empty()) {
            let in_option = |error| select::in_option("wheres", error);
            for expr in expressions(text).map_err(in_option)? {
                let applies = applies(&expr, tables).map_err(in_option)?;
                for (place, source) in sources.iter_mut().enumerate().filter(|(place, _)| applies.to(*place)) {
                    let code = over_source(&expr, &tables[place], &mut source.used).map_err(in_option)?;
                    source.wheres.push(code);
                }
            }
        }
        let in_option = |error| select::in_option("selects", error);
        let mut seen: Vec<(usize, Option<usize>)> = Vec::new();
        for (column, expr) in select::open_list(def, "selects", target)? {
            let applies = applies(&expr, tables).map_err(in_option)?;
            let tied = match &applies {
                Applies::Tied(place) => Some(*place),
                Applies::Where(_) => None,
            };
            if seen.iter().any(|(other, to)| *other == column && (to.is_none() || tied.is_none() || *to == tied)) {
                return Err(select::assigned_twice(target, column));
            }
            seen.push((column, tied));
            for (place, source) in sources.iter_mut().enumerate().filter(|(place, _)| applies.to(*place)) {
                let code = over_source(&expr, &tables[place], &mut source.used).map_err(in_option)?;
                let own = Named::of(&expr).and_then(|named| find_column(&tables[place], &named.column));
                let from = own.map(|own| tables[place].columns[own].ty);
                source.selects.push((column, Cast::new(catalog, from, target.columns[column].ty), code));
            }
        }
        for source in &mut sources {
            source.selects.sort_by_key(|(place, ..)| *place);
            source.used.sort_unstable();
            source.used.dedup();
        }
        Ok(Query { sources, target: target.clone() })
    }
}

impl Applies {
    fn to(&self, place: usize) -> bool {
        match self {
            Applies::Tied(tied) => *tied == place,
            Applies::Where(has) => has[place],
        }
    }
}

/// Errors: 42703 a column that no source has, 42P17 columns of two sources, 42803.
fn applies(expr: &Expr, tables: &[Arc<TableDef>]) -> Result<Applies> {
    select::refuse_aggregates(expr)?;
    let columns = select::columns_of(expr)?;
    let mut tied: Option<usize> = None;
    for named in &columns {
        match &named.table {
            Some(table) => {
                let place = tables.iter().position(|def| def.name.eq_ignore_ascii_case(table));
                let place = place.filter(|place| find_column(&tables[*place], &named.column).is_some());
                let place = place.ok_or_else(|| select::no_column(&format!("{table}.{}", named.column)))?;
                if tied.replace(place).is_some_and(|other| other != place) {
                    return Err(two_sources());
                }
            }
            None => {
                if !tables.iter().any(|def| find_column(def, &named.column).is_some()) {
                    return Err(select::no_column(&named.column));
                }
            }
        }
    }
    let has = |def: &Arc<TableDef>| columns.iter().all(|named| find_column(def, &named.column).is_some());
    match tied {
        Some(place) if has(&tables[place]) => Ok(Applies::Tied(place)),
        Some(_) => Err(two_sources()),
        None => {
            let has: Vec<bool> = tables.iter().map(has).collect();
            if has.contains(&true) { Ok(Applies::Where(has)) } else { Err(two_sources()) }
        }
    }
}

fn two_sources() -> SqlError {
    SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, "an expression of a projection uses columns of two sources")
}

fn over_source(expr: &Expr, table: &TableDef, used: &mut Vec<usize>) -> Result<Code> {
    let mut find = |named: &Named| -> Result<Place> {
        let place = find_column(table, &named.column).ok_or_else(|| select::no_column(&named.column))?;
        Ok((place, Code::Slot(place), Type::of_column(&table.columns[place])))
    };
    Ok(select::over_slots(expr, used, &mut find)?.0)
}

struct Plan {
    id: TriggerId,
    name: String,
    /// allowExternalUpdates
    external: bool,
    query: Query,
    state: StateTable,
    /// The state's index over the target row.
    by_target: Oid,
}

impl Plan {
    fn of(catalog: &Catalog, def: &TriggerDef) -> Result<Plan> {
        let (sources, target) = tables(catalog, def)?;
        let state = StateTable::find(catalog, def, ROWS)?;
        Ok(Plan {
            id: def.id,
            name: def.name.clone(),
            external: boolean(def, "allowExternalUpdates")?,
            query: Query::compile(catalog, def, &sources, &target)?,
            state,
            by_target: state.other_index(catalog, TARGET_COLUMN)?,
        })
    }

    /// What the state calls a source row.
    fn id_of(&self, source: usize, row: RowId) -> Value {
        let sources = self.query.sources.len() as u64;
        number(RowId(row.0.wrapping_mul(sources).wrapping_add(source as u64)))
    }

    /// The target row that a source row gives (columns that are not selected are null), or none if it does not pass.
    fn project(&self, source: usize, row: &[Value], locals: &mut Vec<Val>) -> Result<Option<Row>> {
        let source = &self.query.sources[source];
        for code in &source.wheres {
            if !select::holds(code, row, locals)? {
                return Ok(None);
            }
        }
        make(&source.selects, [&[], row], self.query.target.columns.len(), locals).map(Some)
    }

    fn named(&self, source: usize, error: SqlError) -> SqlError {
        let table = &self.query.sources[source].table.name;
        error.context(format!("AMI trigger \"{}\" on table \"{table}\"", self.name))
    }
}

/// Removes the target's rows that no other projection manages (AMI-135).
fn clear_unmanaged(ctx: &mut dyn HookContext, plan: &Plan) -> Result<()> {
    let catalog = ctx.catalog();
    let target = plan.query.target.id;
    let mut others = Vec::new();
    for def in catalog.triggers_of(target) {
        if def.id != plan.id && def.kind == "projection" && def.tables.last() == Some(&target) {
            let state = StateTable::find(&catalog, def, ROWS)?;
            others.push((state, state.other_index(&catalog, TARGET_COLUMN)?));
        }
    }
    let mut rows = Vec::new();
    ctx.scan(target, &mut |id, row| {
        rows.push((id, row.clone()));
        Ok(true)
    })?;
    let mut puts = Vec::new();
    for (id, row) in rows {
        let mut free = true;
        for (state, index) in &others {
            free &= ctx.lookup(state.table, *index, &[number(id)], false)?.is_empty();
        }
        if free {
            puts.push(Put::Delete(id, row));
        }
    }
    ctx.write(target, puts)?;
    Ok(())
}

fn rebuild(ctx: &mut dyn HookContext, plan: Arc<Plan>) -> Result<()> {
    let mut run = Run::new(plan.clone());
    for (place, source) in plan.query.sources.iter().enumerate() {
        let mut rows = 0;
        ctx.scan(source.table.id, &mut |id, row| {
            let now = plan.project(place, row, &mut run.locals).map_err(|error| plan.named(place, error))?;
            run.add(Pending { source: place, row: id, existed: false, was: None, now });
            rows += 1;
            if rows % 100_000 == 0 {
                progress(&plan.name, &source.table.name, rows);
            }
            Ok(true)
        })?;
        progress(&plan.name, &source.table.name, rows);
    }
    run.finish(ctx)
}

/// What a statement made of one source row.
struct Pending {
    source: usize,
    row: RowId,
    /// It was there before the statement.
    existed: bool,
    /// What it was projected to before; none if it did not pass.
    was: Option<Row>,
    /// And now.
    now: Option<Row>,
}

/// Collects the rows of one statement.
struct Run {
    plan: Arc<Plan>,
    pending: Vec<Pending>,
    /// Places in `pending`, once there are several.
    places: HashMap<(usize, RowId), usize>,
    locals: Vec<Val>,
}

impl Maintenance for Run {
    type Plan = Plan;

    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, pending: Vec::new(), places: HashMap::new(), locals: Vec::new() }
    }
}

impl Run {
    fn add(&mut self, new: Pending) {
        let (source, row) = (new.source, new.row);
        // Rows that come in the order of their ids cannot be there already.
        let after = |last: &Pending| last.source == source && last.row < row;
        if !self.places.is_empty() || !self.pending.last().is_none_or(after) {
            if self.places.is_empty() {
                let rows = self.pending.iter().enumerate();
                self.places = rows.map(|(at, pending)| ((pending.source, pending.row), at)).collect();
            }
            let place = *self.places.entry((source, row)).or_insert(self.pending.len());
            if let Some(before) = self.pending.get_mut(place) {
                before.now = new.now;
                return;
            }
        }
        self.pending.push(new);
    }

    fn write(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let plan = self.plan.clone();
        let mut puts = Vec::with_capacity(self.pending.len());
        // For each put, what becomes of the state.
        let mut states: Vec<(Option<(RowId, Row)>, Value)> = Vec::with_capacity(self.pending.len());
        self.places.clear();
        for pending in self.pending.drain(..) {
            let key = plan.id_of(pending.source, pending.row);
            let stored = if pending.existed { plan.state.get(ctx, std::slice::from_ref(&key), false)? } else { None };
            let there = match stored.as_ref().and_then(|(_, state)| stored_target(state)) {
                Some(id) => ctx.fetch(plan.query.target.id, id, plan.external)?.map(|image| (id, image)),
                None => None,
            };
            match (there, pending.now) {
                (Some((id, old)), Some(mut now)) => {
                    let mut new = old.clone();
                    for (column, ..) in &plan.query.sources[pending.source].selects {
                        // A cell that others set stays until its own value changes (AMI-91).
                        let same = pending.was.as_ref().is_some_and(|was| was[*column] == now[*column]);
                        if !(plan.external && same) {
                            new[*column] = std::mem::take(&mut now[*column]);
                        }
                    }
                    if new != old {
                        puts.push(Put::Update(id, old, new));
                        states.push((None, Value::Null));
                    }
                }
                (Some((id, old)), None) => {
                    puts.push(Put::Delete(id, old));
                    states.push((stored, Value::Null));
                }
                (None, Some(now)) => {
                    puts.push(Put::Insert(now));
                    states.push((stored, key));
                }
                (None, None) => {}
            }
        }
        if puts.is_empty() {
            return Ok(());
        }
        let ids = ctx.write(plan.query.target.id, puts)?;
        let mut changes = Vec::with_capacity(states.len());
        for (id, (stored, key)) in ids.into_iter().zip(states) {
            let new = match (key, id) {
                (Value::Null, _) => None,
                (_, None) => return Err(SqlError::internal("a maintained row was refused")),
                (key, Some(id)) => Some(vec![key, number(id)]),
            };
            match (stored, new) {
                (Some((state, old)), Some(new)) => changes.push(Put::Update(state, old, new)),
                (Some((state, old)), None) => changes.push(Put::Delete(state, old)),
                (None, Some(new)) => changes.push(Put::Insert(new)),
                (None, None) => {}
            }
        }
        if !changes.is_empty() {
            ctx.write(plan.state.table, changes)?;
        }
        Ok(())
    }
}

impl Running for Run {
    fn waiting(&self) -> usize {
        self.pending.len()
    }

    fn note(&mut self, _: &mut dyn HookContext, table: TableId, row: RowId, change: &RowChange) -> Result<()> {
        let plan = self.plan.clone();
        let Some(source) = plan.query.sources.iter().position(|source| source.table.id == table) else {
            return Ok(());
        };
        if let RowChange::Update { old, new } = change
            && plan.query.sources[source].used.iter().all(|place| old.get(*place) == new.get(*place))
        {
            return Ok(());
        }
        let project = |image: Option<&Row>, locals: &mut Vec<Val>| match image {
            Some(image) => plan.project(source, image, locals).map_err(|error| plan.named(source, error)),
            None => Ok(None),
        };
        // What it was matters only where others may have written over it.
        let old = change.old().filter(|_| plan.external);
        let was = project(old, &mut self.locals)?;
        let now = project(change.new_row(), &mut self.locals)?;
        self.add(Pending { source, row, existed: change.old().is_some(), was, now });
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let source = self.pending[0].source;
        let plan = self.plan.clone();
        self.write(ctx).map_err(|error| plan.named(source, error))
    }
}

/// Stands behind the target: others may not change the managed rows (AMI-90, AMI-135).
struct Guard(Arc<Plan>);

impl RowTrigger for Guard {
    fn listens(&self) -> Listens {
        Listens { before: [false; 3], after: [false, !self.0.external, true] }
    }

    fn observes(&self) -> bool {
        false
    }

    fn start(self: Arc<Self>, _: bool) -> Box<dyn Running> {
        Box::new(GuardRun(self))
    }
}

struct GuardRun(Arc<Guard>);

impl Running for GuardRun {
    fn after_write(&mut self, ctx: &mut dyn HookContext, row: RowId, _: &RowChange, writer: TriggerId) -> Result<()> {
        let plan = &self.0.0;
        if writer == plan.id || ctx.lookup(plan.state.table, plan.by_target, &[number(row)], false)?.is_empty() {
            return Ok(());
        }
        Err(managed(&plan.query.target.name, &plan.name))
    }
}
