//! The kind AGGREGATE (AMI-122 to AMI-129): a target table with one row per group of a source, always current.
//!
//! Per statement the source's changes are folded per group in memory. At its end each touched group costs one look-up of
//! its state row (which locks it), one update of it and one update of the target row, found by its row id; no SQL and no
//! scan. Groups are locked in the order of their keys and written in the order in which the statement first met them, so
//! that new groups are appended in that order. Where a script may look between two rows, every row is written at once.
//!
//! Stored state of a group: `[u64 target row id, all ones for none][i64 rows]`, then each aggregate's `Total`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;
use tripline_sql::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerEvent, TriggerId};
use tripline_sql::change::{HookContext, Put, RowChange, RowId};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value, encode_key};

use super::delta::weighted;
use super::op::group::{Fold, Function, Total};
use super::pair::Cell;
use super::select::{self, Cast, normal, over_row, refuse_aggregates, replace, value};
use super::state::{GroupDetail, GroupTables, clear_table, overtaken};
use super::target::{
    Guard, check_cycle, check_free, check_shape, check_undecorated, known_table, progress, remember_names,
};
use super::{Maintained, Maintenance};
use crate::kind::{self, Attachment, Instance, Kind, Running, boolean, table_of};
use crate::script::ami::{Code, Expr, Scope, Val, expression};

/// The kind.
pub struct Aggregate;

const UNSUPPORTED: [&str; 9] = ["avg", "vars", "median", "covar", "covars", "cor", "beta", "cat", "distinct"];

impl Kind for Aggregate {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn derives(&self) -> bool {
        true
    }

    fn manages(&self) -> bool {
        true
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        kind::check_options(&def, &["groupBys", "selects", "allowExternalUpdates"])?;
        kind::table_count(&def, def.tables.len() == 2, "a source and a target")?;
        kind::permanent_only(&ctx.catalog(), &def)?;
        kind::required(&def, "groupBys")?;
        kind::required(&def, "selects")?;
        boolean(&def, "allowExternalUpdates")?;
        let catalog = ctx.catalog();
        remember_names(&catalog, &mut def);
        let (source, target) = tables(&catalog, &def)?;
        check_cycle(&catalog, &def)?;
        check_free(&catalog, &def, &target, false)?;
        check_undecorated(&catalog, &def, &target)?;
        let query = Query::compile(&catalog, &def, &source, &target)?;
        let mut filled: Vec<usize> = query.keys.iter().map(|(place, ..)| *place).collect();
        filled.extend(query.selects.iter().map(|(place, ..)| *place));
        check_shape(&target, &filled)?;
        let all = || Some(Vec::new());
        def.events = vec![TriggerEvent { table: source.id, insert: all(), update: all(), delete: all() }];
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        let catalog = ctx.catalog();
        let (source, target) = tables(&catalog, def)?;
        let query = Query::compile(&catalog, def, &source, &target)?;
        let detailed = query.slots.iter().any(|slot| slot.function.detailed());
        let state = GroupTables::create(ctx, def.id, detailed)?;
        let plan = Arc::new(Plan {
            id: def.id,
            name: def.name.clone(),
            external: boolean(def, "allowExternalUpdates")?,
            query,
            state,
        });
        rebuild(ctx, &plan)
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        release(ctx, def)
    }

    fn toggled(&self, ctx: &mut dyn HookContext, _: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        if !def.enabled {
            return release(ctx, def);
        }
        let plan = Arc::new(Plan::of(&ctx.catalog(), def)?);
        plan.state.groups.clear(ctx)?;
        if let Some(details) = plan.state.details {
            details.clear(ctx)?;
        }
        rebuild(ctx, &plan)
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        let Some(table) = table else { return Ok(None) };
        if def.tables.first() == Some(&table.id) {
            return Ok(Some(Attachment::InTransaction(Maintained::<Run>::by(Arc::new(Plan::of(catalog, def)?)))));
        }
        if boolean(def, "allowExternalUpdates")? {
            let guard = Guard { owner: def.id, name: def.name.clone(), target: table.name.clone() };
            return Ok(Some(Attachment::InTransaction(Arc::new(guard))));
        }
        Ok(None)
    }
}

fn tables(catalog: &Catalog, def: &TriggerDef) -> Result<(Arc<TableDef>, Arc<TableDef>)> {
    match def.tables.as_slice() {
        [_, target] => Ok((known_table(catalog, def, 0)?, table_of(catalog, *target)?)),
        _ => Err(SqlError::internal("an aggregate has two tables")),
    }
}

fn release(ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
    match def.tables.last().filter(|target| ctx.catalog().table(**target).is_some()) {
        Some(target) => ctx.set_maintained_by(*target, TriggerId::CLIENT),
        None => Ok(()),
    }
}

/// Clears the target and fills it from the source (AMI-95).
fn rebuild(ctx: &mut dyn HookContext, plan: &Arc<Plan>) -> Result<()> {
    clear_table(ctx, plan.query.target.id)?;
    let mut run = Run::new(plan.clone());
    let mut rows = 0;
    ctx.scan(plan.query.source.id, &mut |id, row| {
        run.fold(id, row, 1)?;
        rows += 1;
        if rows % 100_000 == 0 {
            progress(&plan.name, &plan.query.source.name, rows);
        }
        Ok(true)
    })?;
    progress(&plan.name, &plan.query.source.name, rows);
    run.write(ctx)?;
    if !plan.external {
        ctx.set_maintained_by(plan.query.target.id, plan.id)?;
    }
    Ok(())
}

/// An aggregate call.
#[derive(Clone, Debug)]
struct Slot {
    function: Function,
    arg: Option<Code>,
    /// The type of the source column whose values it gives, if it gives those of one.
    gives: Option<DataType>,
}

/// The compiled options.
struct Query {
    source: Arc<TableDef>,
    target: Arc<TableDef>,
    /// Key expressions.
    keys: Vec<Cell>,
    slots: Vec<Slot>,
    /// Expressions over slots: keys first, then aggregates.
    selects: Vec<Cell>,
}

impl Query {
    fn compile(catalog: &Catalog, def: &TriggerDef, source: &Arc<TableDef>, target: &Arc<TableDef>) -> Result<Query> {
        let mut taken = Vec::new();
        let groups = select::list(def, "groupBys", target, &mut taken)?;
        let selects = select::list(def, "selects", target, &mut taken)?;
        let mut keys = Vec::new();
        let mut normal_keys = Vec::new();
        let cast = |from: Option<DataType>, place: usize| Cast::new(catalog, from, target.columns[place].ty);
        for (place, expr) in &groups {
            refuse_aggregates(expr)?;
            let code = over_row(expr, source).map_err(|error| select::in_option("groupBys", error))?.0;
            keys.push((*place, cast(column_type(&code, source), *place), code));
            normal_keys.push(normal(expr, source)?);
        }
        let mut slots = Vec::new();
        let mut compiled = Vec::new();
        for (place, expr) in &selects {
            let code = Query::select(expr, source, &normal_keys, &mut slots);
            let code = code.map_err(|error| select::in_option("selects", error))?;
            let from = match code {
                Code::Slot(slot) if slot < keys.len() => column_type(&keys[slot].2, source),
                Code::Slot(slot) => slots.get(slot - keys.len()).and_then(|slot: &Slot| slot.gives),
                _ => None,
            };
            compiled.push((*place, cast(from, *place), code));
        }
        Ok(Query { source: source.clone(), target: target.clone(), keys, slots, selects: compiled })
    }

    /// Replaces aggregates and group keys by slots; what is left may use no column (42803).
    fn select(expr: &Expr, source: &TableDef, keys: &[Expr], slots: &mut Vec<Slot>) -> Result<Code> {
        let replaced = replace(expr, &mut |part| {
            if let Some(key) = keys.iter().position(|key| normal(part, source).is_ok_and(|part| part == *key)) {
                return Ok(Some(Expr::Slot(key)));
            }
            let Expr::Call(name, args, line) = part else { return Ok(None) };
            let lower = name.to_ascii_lowercase();
            if UNSUPPORTED.contains(&lower.as_str()) {
                return Err(SqlError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("aggregate \"{name}\" is not supported in AGGREGATE triggers"),
                ));
            }
            let Some(mut function) = Function::by_name(name, crate::script::ami::Type::Object) else { return Ok(None) };
            let [arg] = args.as_slice() else {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("line {line}: aggregate {name} takes one argument"),
                ));
            };
            let arg = if *arg == Expr::Star {
                if function != Function::Count {
                    return Err(SqlError::syntax(format!("{name}(*) does not exist")));
                }
                function = Function::CountAll;
                None
            } else {
                refuse_aggregates(arg)?;
                let (code, ty) = over_row(arg, source)?;
                function = Function::by_name(name, ty).unwrap_or(function);
                Some(code)
            };
            let one = matches!(function, Function::Min | Function::Max | Function::First | Function::Last);
            let gives = arg.as_ref().filter(|_| one).and_then(|code| column_type(code, source));
            slots.push(Slot { function, arg, gives });
            Ok(Some(Expr::Slot(keys.len() + slots.len() - 1)))
        })?;
        if let Expr::Name(name, _) | Expr::Field(_, name, _) = first_name(&replaced) {
            let column = crate::script::ami::find_column(source, &name);
            return Err(match column {
                Some(_) => SqlError::new(
                    SqlState::GROUPING_ERROR,
                    format!("column \"{name}\" must appear in groupBys or be used in an aggregate"),
                ),
                None => SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")),
            });
        }
        Ok(expression(&replaced, Scope::EMPTY)?.0)
    }
}

/// The type of the source column that an expression is.
fn column_type(code: &Code, source: &TableDef) -> Option<DataType> {
    match code {
        Code::Column(_, place) => source.columns.get(usize::from(*place)).map(|column| column.ty),
        _ => None,
    }
}

/// The first name that is left in an expression; `Star` if there is none.
fn first_name(expr: &Expr) -> Expr {
    let mut found = Expr::Star;
    crate::script::ami::walk(expr, &mut |part| {
        if found == Expr::Star && matches!(part, Expr::Name(..) | Expr::Field(..)) {
            found = part.clone();
        }
    });
    found
}

struct Plan {
    id: TriggerId,
    name: String,
    /// allowExternalUpdates
    external: bool,
    query: Query,
    state: GroupTables,
}

impl Plan {
    fn of(catalog: &Catalog, def: &TriggerDef) -> Result<Plan> {
        let (source, target) = tables(catalog, def)?;
        Ok(Plan {
            id: def.id,
            name: def.name.clone(),
            external: boolean(def, "allowExternalUpdates")?,
            query: Query::compile(catalog, def, &source, &target)?,
            state: GroupTables::find(catalog, def)?,
        })
    }
}

/// What a statement changed of one group.
struct Group {
    key: Vec<u8>,
    key_values: Vec<Value>,
    rows: i64,
    folds: Vec<Fold>,
}

/// Folds the rows of one statement.
struct Run {
    plan: Arc<Plan>,
    groups: Vec<Group>,
    /// Places in `groups`, once there are several.
    places: HashMap<Vec<u8>, usize>,
    locals: Vec<Val>,
    key: Vec<u8>,
}

/// How "no target row yet" is stored: row ids begin at 0.
const NO_ROW: u64 = u64::MAX;

/// A group's stored state, read under its lock.
struct Stored {
    row: RowId,
    image: Row,
    target: Option<RowId>,
    rows: i64,
    totals: Vec<Total>,
}

/// What becomes of a group's state once its target row is written.
struct State {
    key: Value,
    stored: Stored,
    gone: bool,
    /// The target row is a new one.
    new: bool,
    always: bool,
}

impl State {
    fn gone(stored: Stored) -> State {
        State { key: Value::Null, stored, gone: true, new: false, always: false }
    }

    /// `id`: the target row, if it was written.
    fn put(self, id: Option<RowId>) -> Result<Option<Put>> {
        let Stored { row, image, target, rows, totals } = self.stored;
        if self.gone {
            return Ok(Some(Put::Delete(row, image)));
        }
        let target = match (self.new, id) {
            (false, _) => target,
            (true, Some(id)) => Some(id),
            (true, None) => return Err(SqlError::internal("a maintained row was refused")),
        };
        let new = Run::encode(&self.key, target, rows, &totals);
        Ok((self.always || new != image).then_some(Put::Update(row, image, new)))
    }
}

impl Maintenance for Run {
    type Plan = Plan;

    fn new(plan: Arc<Plan>) -> Run {
        Run { plan, groups: Vec::new(), places: HashMap::new(), locals: Vec::new(), key: Vec::new() }
    }
}

impl Run {
    fn fold(&mut self, id: RowId, row: &[Value], weight: i64) -> Result<()> {
        let plan = self.plan.clone();
        self.key.clear();
        for (.., code) in &plan.query.keys {
            match code {
                Code::Column(_, place) if usize::from(*place) < row.len() => {
                    encode_key(&row[usize::from(*place)], false, false, &mut self.key);
                }
                _ => encode_key(&value(code, row, &[], &mut self.locals)?, false, false, &mut self.key),
            }
        }
        // Most statements touch one group: look there before hashing.
        let place = match self.groups.last() {
            Some(last) if last.key == self.key => self.groups.len() - 1,
            _ => match self.places.get(self.key.as_slice()) {
                Some(place) => *place,
                None => self.open_fold(&plan, row)?,
            },
        };
        let group = &mut self.groups[place];
        group.rows += weight;
        for (slot, fold) in plan.query.slots.iter().zip(&mut group.folds) {
            let value = match &slot.arg {
                Some(code) => value(code, row, &[], &mut self.locals)?,
                None => Value::Bool(true),
            };
            fold.add(slot.function, value, id.0, weight);
        }
        Ok(())
    }

    /// Begins to fold a group that this statement has not met yet: its key is in `key`.
    fn open_fold(&mut self, plan: &Plan, row: &[Value]) -> Result<usize> {
        let mut key_values = Vec::with_capacity(plan.query.keys.len());
        for (.., code) in &plan.query.keys {
            key_values.push(value(code, row, &[], &mut self.locals)?);
        }
        let folds = plan.query.slots.iter().map(|slot| Fold::new(slot.function)).collect();
        if let Some(first) = self.groups.first() {
            if self.places.is_empty() {
                self.places.insert(first.key.clone(), 0);
            }
            self.places.insert(self.key.clone(), self.groups.len());
        }
        self.groups.push(Group { key: self.key.clone(), key_values, rows: 0, folds });
        Ok(self.groups.len() - 1)
    }

    /// Writes what was folded, and forgets it.
    fn write(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        self.places.clear();
        let mut groups = std::mem::take(&mut self.groups);
        let slots = &self.plan.query.slots;
        groups.retain(|group| {
            group.rows != 0 || group.folds.iter().zip(slots).any(|(fold, slot)| !fold.is_nothing(slot.function))
        });
        // Locked in the order of their keys; written in the order in which they were met.
        let mut order: Vec<usize> = (0..groups.len()).collect();
        if groups.len() > 1 {
            order.sort_unstable_by(|a, b| groups[*a].key.cmp(&groups[*b].key));
        }
        let mut stored: Vec<Option<Stored>> = Vec::new();
        stored.resize_with(groups.len(), || None);
        for place in order {
            ctx.check_cancel()?;
            stored[place] = Some(self.lock(ctx, &groups[place].key)?);
        }
        let mut targets = Vec::with_capacity(groups.len());
        let mut states = Vec::with_capacity(groups.len());
        for (group, stored) in groups.iter().zip(stored.into_iter().flatten()) {
            let (put, state) = self.apply(ctx, group, stored)?;
            states.push((put.is_some(), state));
            targets.extend(put);
        }
        let mut ids = match targets.is_empty() {
            true => Vec::new(),
            false => ctx.write(self.plan.query.target.id, targets)?,
        }
        .into_iter();
        let mut changes = Vec::with_capacity(states.len());
        for (wrote, state) in states {
            let id = if wrote { ids.next().flatten() } else { None };
            changes.extend(state.put(id)?);
        }
        if !changes.is_empty() {
            ctx.write(self.plan.state.groups.table, changes)?;
        }
        Ok(())
    }

    fn load(&self, ctx: &mut dyn HookContext, key: &[u8]) -> Result<Option<Stored>> {
        let place = self.plan.state.groups;
        let found = ctx.lookup(place.table, place.index, &[Value::Bytea(Arc::from(key))], true)?;
        let Some((row, image)) = found.into_iter().next() else { return Ok(None) };
        let damaged = || SqlError::new(SqlState::DATA_CORRUPTED, "stored state of a group is damaged");
        let Some(Value::Bytea(state)) = image.get(1).cloned() else { return Err(damaged()) };
        let mut bytes: &[u8] = &state;
        let (target, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (rows, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        bytes = rest;
        let mut totals = Vec::with_capacity(self.plan.query.slots.len());
        for slot in &self.plan.query.slots {
            totals.push(Total::decode(slot.function, &mut bytes)?);
        }
        let target = Some(u64::from_le_bytes(*target)).filter(|id| *id != NO_ROW).map(RowId);
        Ok(Some(Stored { row, image, target, rows: i64::from_le_bytes(*rows), totals }))
    }

    fn encode(key: &Value, target: Option<RowId>, rows: i64, totals: &[Total]) -> Row {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&target.map_or(NO_ROW, |id| id.0).to_le_bytes());
        bytes.extend_from_slice(&rows.to_le_bytes());
        for total in totals {
            total.encode(&mut bytes);
        }
        vec![key.clone(), Value::Bytea(Arc::from(bytes))]
    }

    /// Adds what was folded of a group: what becomes of its target row, and of its state.
    fn apply(&mut self, ctx: &mut dyn HookContext, group: &Group, mut stored: Stored) -> Result<(Option<Put>, State)> {
        let plan = self.plan.clone();
        let key = Value::Bytea(Arc::from(group.key.as_slice()));
        let before = if plan.external && stored.target.is_some() {
            Some(self.results(&group.key_values, &stored.totals)?)
        } else {
            None
        };
        stored.rows += group.rows;
        {
            let mut detail = GroupDetail { ctx, table: plan.state.details, group: key.clone() };
            for (number, ((slot, total), fold)) in
                plan.query.slots.iter().zip(&mut stored.totals).zip(&group.folds).enumerate()
            {
                total.apply(slot.function, number, fold, &mut detail)?;
            }
        }
        if stored.rows < 0 {
            return Err(SqlError::internal("a group has fewer than no rows"));
        }
        let old = match stored.target {
            None => None,
            // The group's lock keeps everybody else off this row, unless others may update it.
            Some(id) => ctx.fetch(plan.query.target.id, id, plan.external)?.map(|old| (id, old)),
        };
        if stored.rows == 0 {
            return Ok((old.map(|(id, old)| Put::Delete(id, old)), State::gone(stored)));
        }
        let results = self.results(&group.key_values, &stored.totals)?;
        // Details have changed with it: whoever reads them by an older snapshot is to notice.
        let always = plan.state.details.is_some();
        match old {
            Some((id, old)) => {
                let mut new = old.clone();
                for (i, (column, value)) in results.into_iter().enumerate() {
                    // An externally set cell stays until its own value changes (AMI-91).
                    if before.as_ref().is_none_or(|before| before.get(i).is_none_or(|(_, was)| *was != value)) {
                        new[column] = value;
                    }
                }
                let put = (new != old).then_some(Put::Update(id, old, new));
                Ok((put, State { key, stored, gone: false, new: false, always }))
            }
            None => {
                let mut new = select::nulls(plan.query.target.columns.len());
                for (column, value) in results {
                    new[column] = value;
                }
                Ok((Some(Put::Insert(new)), State { key, stored, gone: false, new: true, always }))
            }
        }
    }

    /// A group's state, locked; that of a new group is made. Another writer may be first, then its row is waited for and
    /// taken. Errors: 40001, those of a wait.
    fn lock(&self, ctx: &mut dyn HookContext, key: &[u8]) -> Result<Stored> {
        let place = self.plan.state.groups;
        for _ in 0..16 {
            if let Some(stored) = self.load(ctx, key)? {
                return Ok(stored);
            }
            let totals: Vec<Total> = self.plan.query.slots.iter().map(|slot| Total::new(slot.function)).collect();
            let image = Run::encode(&Value::Bytea(Arc::from(key)), None, 0, &totals);
            match ctx.insert(place.table, image.clone()) {
                Ok(Some(row)) => return Ok(Stored { row, image, target: None, rows: 0, totals }),
                Ok(None) => return Err(SqlError::internal("a state row was refused")),
                Err(error) if error.state() == SqlState::UNIQUE_VIOLATION => {}
                Err(error) => return Err(error),
            }
        }
        Err(overtaken("a group"))
    }

    /// Target columns with their values, cast to the columns' types.
    fn results(&mut self, keys: &[Value], totals: &[Total]) -> Result<Vec<(usize, Value)>> {
        let plan = self.plan.clone();
        let mut slots = Vec::with_capacity(keys.len() + totals.len());
        slots.extend_from_slice(keys);
        for (slot, total) in plan.query.slots.iter().zip(totals) {
            slots.push(total.result(slot.function)?);
        }
        let mut out = Vec::with_capacity(plan.query.keys.len() + plan.query.selects.len());
        for ((place, cast, _), value) in plan.query.keys.iter().zip(keys) {
            out.push((*place, cast.apply(value.clone())?));
        }
        for (place, cast, code) in &plan.query.selects {
            out.push((*place, cast.apply(value(code, &[], &slots, &mut self.locals)?)?));
        }
        Ok(out)
    }

    fn named(&self, error: SqlError) -> SqlError {
        error.context(format!("AMI trigger \"{}\" on table \"{}\"", self.plan.name, self.plan.query.source.name))
    }
}

impl Running for Run {
    fn waiting(&self) -> usize {
        self.groups.len()
    }

    fn note(&mut self, _: &mut dyn HookContext, _: TableId, row: RowId, change: &RowChange) -> Result<()> {
        for (image, weight) in weighted(change) {
            self.fold(row, image, weight).map_err(|error| self.named(error))?;
        }
        Ok(())
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        if self.groups.is_empty() {
            return Ok(());
        }
        self.write(ctx).map_err(|error| self.named(error))
    }
}
