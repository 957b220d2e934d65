//! Runs a `Plan`: pulls rows from node to node.
//!
//! A plan is immutable and shared; what an operator must remember while it runs is in a `State` tree of the same
//! shape. `State::next(node, cx)` walks both together, so that a portal keeps an `Arc<Plan>` and a `State` and borrows
//! nothing. A plan that gives at most one row through a unique index runs without any `State` (`point`).
//!
//! Rows are changed only in `write`. Waiting happens only inside the store's calls and `env.blocker`.

mod backend;
mod backlog;
mod block;
mod cache;
mod command;
mod constraint;
mod cte;

pub mod ddl;
mod detached;
mod exclusion;
mod group;
mod filled;
mod hook;
mod join;
mod lock;
pub mod objects;
mod planning;
mod privilege;
mod routine;
mod runtime;
mod scan;
mod set;
mod settings;
mod shared;
mod sort;
pub mod statement;
mod sync;
pub mod system;
mod window;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use backend::{Backend, CursorInfo, EPOCH_MICROS, Pending, PreparedInfo};
pub use backlog::Backlogs;
pub use cache::{CachedStatement, PlanCache};
pub use constraint::{Deferred, run_deferred, set_constraints};
pub use hook::HookCx;
pub use planning::{
    Extractors, TableExpr, apply_setting, bind_table_expr, eval_arguments, explain, parse_options, parse_statement,
    parse_text, plan, refresh_user, resolve_type, route, with_bind_context,
};
pub use privilege::{check_needs, check_privileges, check_watched, has_privilege};
pub use settings::{SETTINGS, SettingKind, Settings, check_changeable, check_name, parse_bool, split_list};
pub use shared::{
    Control, ExportedSnapshots, Mailbox, Notification, SessionInfo, Shared, SubscriberState, SubscriberStatus, TlsInfo,
};
pub use write::{RowInserter, Writer, insert_rows};

use crate::catalog::SequenceDef;
use crate::env::Turn;
use crate::error::{Result, SqlState};
use crate::expr::{EvalContext, OuterRow, SubplanId, eval, eval_predicate};
use crate::plan::explain::{Actuals, node_key};
use crate::plan::{Node, Plan, PlanKind};
use crate::store::{Snapshot, TableLockMode, WaitPolicy};
use crate::types::{Oid, Row, TextStyle, Value};

/// What a running statement remembers beside the states of its operators.
#[derive(Default)]
pub struct Caches {
    subplans: HashMap<SubplanId, (usize, Arc<Vec<Row>>)>,
    hashed: HashMap<SubplanId, Arc<scan::HashedRows>>,
    arrays: HashMap<SubplanId, Value>,
    ctes: HashMap<u32, cte::CteState>,
    paths: HashMap<u32, cte::Path>,
    working: HashMap<u32, Arc<Vec<Row>>>,
    /// The sequence that nextval was called for last, its rights looked at.
    sequence: Option<(Oid, Arc<SequenceDef>)>,
}

/// One execution of a plan: everything but the states of its operators.
pub struct Run {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Parameters.
    pub params: Vec<Value>,
    /// What it sees.
    pub snapshot: Snapshot,
    /// Settings of text forms when it began.
    pub style: Arc<TextStyle>,
    /// Rows written, or merged.
    pub processed: Cell<u64>,
    /// Triggers and constraint checks of the tables it writes.
    pub writer: RefCell<Writer>,
    caches: RefCell<Caches>,
    ticks: Cell<u32>,
    watch: Watch,
    /// What the operators did, if EXPLAIN ANALYZE asks.
    watched: Option<Box<RefCell<Actuals>>>,
}

/// A statement that runs for longer lets others have its network thread.
const LONG: Duration = Duration::from_millis(1);

/// The turn of a statement, from the first look at it on.
#[derive(Debug, Default)]
struct Watch(Cell<Option<Turn>>);

impl Watch {
    /// For every long loop now and then, scripts' among them. Errors: 57014, 57P01 and why else the statement ends.
    fn look(&self, backend: &Backend) -> Result<()> {
        backend.check_cancel()?;
        let env = &backend.shared.env;
        let now = env.clock.elapsed();
        let mut turn = self.0.get().unwrap_or_else(|| Turn::new(now, LONG));
        let over = turn.is_over(now);
        self.0.set(Some(turn));
        if over {
            env.blocker.hand_over();
        }
        Ok(())
    }
}

/// A run with its session: what operators and expressions work with.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    /// The session.
    pub backend: &'a Backend,
    /// The run.
    pub run: &'a Run,
}

/// What an operator is called with: the run and the rows of enclosing queries.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// For expressions.
    pub eval: EvalContext<'a>,
    /// The run.
    pub exec: &'a Exec<'a>,
}

impl Run {
    /// Begins a statement: checks privileges, locks its tables, takes its snapshot. A plan that DDL has overtaken, perhaps
    /// while this waited for a lock, is made again: `run.plan` is the one that runs. Errors: those of planning, 42501,
    /// 25006, those of a wait.
    pub fn begin(backend: &Backend, plan: &Arc<Plan>, params: Vec<Value>, depth: u32) -> Result<Run> {
        let mut plan = plan.clone();
        let snapshot = loop {
            if plan.writes {
                backend.check_writable(match plan.kind {
                    PlanKind::Insert => "INSERT",
                    PlanKind::Update => "UPDATE",
                    PlanKind::Delete => "DELETE",
                    PlanKind::Merge => "MERGE",
                    PlanKind::Sync => "SYNC",
                    PlanKind::Select => "SELECT",
                })?;
            }
            check_needs(backend, &plan.privileges)?;
            if let Some(snapshot) = Run::lock(backend, &plan)? {
                break snapshot;
            }
            plan = planning::plan_again(backend, &plan)?;
        };
        for notice in &plan.notices {
            backend.notice(notice.clone());
        }
        Ok(Run::with_snapshot(backend, plan, params, snapshot, depth))
    }

    /// Locks a plan's tables and takes a snapshot; none if the catalog is not the one that the plan was made under.
    fn lock(backend: &Backend, plan: &Plan) -> Result<Option<Snapshot>> {
        backend.with_txn(|txn| {
            let mut locked = Ok(());
            for (table, write) in &plan.tables {
                let mode = if *write && plan.kind == PlanKind::Sync {
                    // It compares the whole table: nobody else may change it meanwhile.
                    TableLockMode::ShareRowExclusive
                } else if *write {
                    TableLockMode::RowExclusive
                } else if plan.locks {
                    TableLockMode::RowShare
                } else {
                    TableLockMode::AccessShare
                };
                locked = txn.lock_table(*table, mode, WaitPolicy::Wait);
                if locked.is_err() {
                    break;
                }
            }
            let gone = locked.as_ref().is_err_and(|error| error.state() == SqlState::UNDEFINED_TABLE);
            if !gone {
                locked.clone()?;
            }
            txn.refresh_catalog();
            if plan.statement.is_some() && plan.catalog_version != txn.catalog_set().version {
                return Ok(None);
            }
            locked?;
            Ok(Some(txn.begin_statement(plan.writes || plan.locks)))
        })
    }

    /// A run that sees this snapshot.
    pub fn with_snapshot(
        backend: &Backend,
        plan: Arc<Plan>,
        params: Vec<Value>,
        snapshot: Snapshot,
        depth: u32,
    ) -> Run {
        backend.refresh_names();
        Run {
            plan,
            params,
            snapshot,
            style: backend.settings.borrow().style.clone(),
            processed: Cell::new(0),
            writer: RefCell::new(Writer::new(depth)),
            caches: RefCell::default(),
            ticks: Cell::new(0),
            watch: Watch::default(),
            watched: None,
        }
    }
}

impl<'a> Exec<'a> {
    /// The context of the outermost query.
    pub fn cx(&'a self) -> Cx<'a> {
        Cx {
            eval: EvalContext { params: &self.run.params, style: &self.run.style, outer: None, runtime: self },
            exec: self,
        }
    }

    /// The state of a node that has not begun; for EXPLAIN ANALYZE one that counts.
    pub(in crate::exec) fn state(&self, node: &Node) -> State {
        if self.run.watched.is_none() { State::new(node) } else { State::new(node).watched(node) }
    }

    /// Called once per row of a loop: looks at cancel and time now and then.
    #[inline]
    pub fn tick(&self) -> Result<()> {
        let ticks = self.run.ticks.get().wrapping_add(1);
        self.run.ticks.set(ticks);
        if ticks.is_multiple_of(128) { self.slow_tick() } else { Ok(()) }
    }

    #[cold]
    fn slow_tick(&self) -> Result<()> {
        self.run.watch.look(self.backend)
    }
}

impl<'a> Cx<'a> {
    /// The context of a query inside this one, whose outer row is `outer`.
    #[must_use]
    pub fn inside<'b>(&self, outer: &'b OuterRow<'b>) -> Cx<'b>
    where
        'a: 'b,
    {
        Cx { eval: EvalContext { outer: Some(outer), ..self.eval }, exec: self.exec }
    }

    /// Value of an expression over a row.
    #[inline]
    pub fn eval(&self, expr: &crate::expr::Expr, row: &[Value]) -> Result<Value> {
        eval(expr, row, &self.eval)
    }

    /// Whether a condition is true.
    #[inline]
    pub fn test(&self, expr: &crate::expr::Expr, row: &[Value]) -> Result<bool> {
        eval_predicate(expr, row, &self.eval)
    }

    /// Values of several expressions over a row.
    pub fn eval_all(&self, exprs: &[crate::expr::Expr], row: &[Value]) -> Result<Row> {
        let mut out = Vec::with_capacity(exprs.len());
        for expr in exprs {
            out.push(eval(expr, row, &self.eval)?);
        }
        Ok(out)
    }

    /// An optional count: LIMIT, OFFSET. NULL is none.
    pub fn count(&self, expr: Option<&crate::expr::Expr>) -> Result<Option<i64>> {
        Ok(match expr {
            Some(expr) => self.eval(expr, &[])?.as_i64(),
            None => None,
        })
    }
}

/// What the operator of a node remembers.
pub enum State {
    /// Rows given so far.
    Values(usize),
    /// A table scan.
    SeqScan(Box<scan::SeqScanState>),
    /// An index scan.
    IndexScan(Box<scan::IndexScanState>),
    /// Rows computed at the first call.
    Rows(Option<std::vec::IntoIter<Row>>),
    /// The change log.
    Log(Box<system::LogScan>),
    /// generate_series over integers.
    Series(set::Series),
    /// Place in a WITH query's rows.
    CteScan(usize),
    /// One input and nothing else.
    Input(Box<State>),
    /// LIMIT.
    Limit(Box<sort::LimitState>),
    /// DISTINCT.
    Distinct(Box<sort::DistinctState>),
    /// A join.
    NestedLoop(Box<join::LoopState>),
    /// A hash join.
    HashJoin(Box<join::HashState>),
    /// Set-returning columns.
    ProjectSet(Box<set::ProjectSetState>),
    /// WITH RECURSIVE.
    Recursive(Box<cte::RecursiveState>),
    /// UNION ALL: both sides and which runs.
    Append(Box<(State, State)>, bool),
    /// An operator that needs all its input: state of the input, then its rows.
    Collect(Box<State>, Option<std::vec::IntoIter<Row>>),
    /// The same with two inputs.
    Collect2(Box<(State, State)>, Option<std::vec::IntoIter<Row>>),
    /// Any of them, with what it does counted; whether it has begun.
    Watched(Box<State>, bool),
}

impl State {
    /// The state of a node that has not begun.
    pub fn new(node: &Node) -> State {
        match node {
            Node::Values { .. } => State::Values(0),
            Node::SeqScan { .. } => State::SeqScan(Box::default()),
            Node::IndexScan { .. } => State::IndexScan(Box::default()),
            Node::FunctionScan { calls, ordinality: false } if set::is_integer_series(calls) => {
                State::Series(set::Series::default())
            }
            Node::SystemScan { relation, .. } if system::is_log(relation) => State::Log(Box::default()),
            Node::SystemScan { .. } | Node::FunctionScan { .. } => State::Rows(None),
            Node::CteScan { .. } => State::CteScan(0),
            Node::Filter { input, .. } | Node::Project { input, .. } | Node::LockRows { input, .. } => {
                State::Input(Box::new(State::new(input)))
            }
            Node::ProjectSet { input, .. } => State::ProjectSet(Box::new(set::ProjectSetState::new(input))),
            Node::NestedLoop { left, right, .. } => State::NestedLoop(Box::new(join::LoopState::new(left, right))),
            Node::HashJoin { left, right, .. } => State::HashJoin(Box::new(join::HashState::new(left, right))),
            Node::Aggregate { input, .. } | Node::Window { input, .. } | Node::Sort { input, .. } => {
                State::Collect(Box::new(State::new(input)), None)
            }
            Node::Limit { input, .. } => State::Limit(Box::new(sort::LimitState::new(input))),
            Node::Distinct { input, .. } => State::Distinct(Box::new(sort::DistinctState::new(input))),
            Node::SetOperation { left, right, op, all } => {
                let both = Box::new((State::new(left), State::new(right)));
                if *all && *op == crate::plan::SetOp::Union {
                    State::Append(both, false)
                } else {
                    State::Collect2(both, None)
                }
            }
            Node::With { body, .. } => State::Input(Box::new(State::new(body))),
            Node::RecursiveUnion { seed, .. } => State::Recursive(Box::new(cte::RecursiveState::new(seed))),
            Node::Insert(plan) => State::Collect(Box::new(State::new(&plan.input)), None),
            Node::Update(plan) => State::Collect(Box::new(State::new(&plan.input)), None),
            Node::Delete(plan) => State::Collect(Box::new(State::new(&plan.input)), None),
            Node::Merge(plan) => State::Collect(Box::new(State::new(&plan.input)), None),
        }
    }

    /// The same with all states below that exist, each counted.
    fn watched(mut self, node: &Node) -> State {
        let watch = |state: &mut State, node: &Node| {
            let own = std::mem::replace(state, State::Values(0));
            *state = own.watched(node);
        };
        match (&mut self, node) {
            (State::Input(input), Node::Filter { input: node, .. })
            | (State::Input(input), Node::Project { input: node, .. })
            | (State::Input(input), Node::LockRows { input: node, .. })
            | (State::Input(input), Node::With { body: node, .. })
            | (State::Collect(input, _), Node::Aggregate { input: node, .. })
            | (State::Collect(input, _), Node::Window { input: node, .. })
            | (State::Collect(input, _), Node::Sort { input: node, .. }) => watch(input, node),
            (State::Collect(input, _), Node::Insert(plan)) => watch(input, &plan.input),
            (State::Collect(input, _), Node::Update(plan)) => watch(input, &plan.input),
            (State::Collect(input, _), Node::Delete(plan)) => watch(input, &plan.input),
            (State::Collect(input, _), Node::Merge(plan)) => watch(input, &plan.input),
            (State::Append(both, _), Node::SetOperation { left, right, .. })
            | (State::Collect2(both, _), Node::SetOperation { left, right, .. }) => {
                watch(&mut both.0, left);
                watch(&mut both.1, right);
            }
            (State::ProjectSet(state), Node::ProjectSet { input, .. }) => watch(state.input(), input),
            (State::Limit(state), Node::Limit { input, .. }) => watch(state.input(), input),
            (State::Distinct(state), Node::Distinct { input, .. }) => watch(state.input(), input),
            (State::NestedLoop(state), Node::NestedLoop { left, .. }) => watch(state.left(), left),
            (State::HashJoin(state), Node::HashJoin { left, .. }) => watch(state.left(), left),
            (State::Recursive(state), Node::RecursiveUnion { seed, .. }) => {
                if let Some(state) = state.seed() {
                    watch(state, seed);
                }
            }
            _ => {}
        }
        State::Watched(Box::new(self), false)
    }

    /// The node's next row; none at the end.
    pub fn next(&mut self, node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
        match (self, node) {
            (State::Values(at), Node::Values { rows }) => match rows.get(*at) {
                Some(exprs) => {
                    *at += 1;
                    cx.eval_all(exprs, &[]).map(Some)
                }
                None => Ok(None),
            },
            (State::SeqScan(state), Node::SeqScan { table, filter, row_id }) => {
                state.next(table, filter.as_ref(), *row_id, cx)
            }
            (State::IndexScan(state), Node::IndexScan { .. }) => state.next(node, cx),
            (State::Rows(rows), _) => {
                if rows.is_none() {
                    *rows = Some(set::computed_rows(node, cx)?.into_iter());
                }
                Ok(rows.as_mut().and_then(Iterator::next))
            }
            (State::Log(scan), Node::SystemScan { bounds, filter, .. }) => scan.next(bounds, filter.as_ref(), cx),
            (State::Series(series), Node::FunctionScan { calls, .. }) => series.next(calls, cx),
            (State::CteScan(at), Node::CteScan { cte }) => cte::scan(*cte, at, cx),
            (State::Input(input), Node::Filter { input: node, predicate }) => loop {
                let Some(row) = input.next(node, cx)? else { return Ok(None) };
                if cx.test(predicate, &row)? {
                    return Ok(Some(row));
                }
                cx.exec.tick()?;
            },
            (State::Input(input), Node::Project { input: node, exprs }) => match input.next(node, cx)? {
                Some(row) => cx.eval_all(exprs, &row).map(Some),
                None => Ok(None),
            },
            (State::Input(input), Node::LockRows { input: node, locks }) => lock::next(input, node, locks, cx),
            (State::Input(input), Node::With { ctes, body }) => cte::with(input, ctes, body, cx),
            (State::ProjectSet(state), Node::ProjectSet { input, exprs }) => state.next(input, exprs, cx),
            (State::NestedLoop(state), Node::NestedLoop { .. }) => state.next(node, cx),
            (State::HashJoin(state), Node::HashJoin { .. }) => state.next(node, cx),
            (State::Limit(state), Node::Limit { input, limit, offset, ties }) => {
                state.next(input, limit.as_ref(), offset.as_ref(), ties.as_deref(), cx)
            }
            (State::Distinct(state), Node::Distinct { input, on }) => state.next(input, on.as_deref(), cx),
            (State::Recursive(state), Node::RecursiveUnion { cte, seed, step, all }) => {
                state.next(*cte, seed, step, *all, cx)
            }
            (State::Append(both, second), Node::SetOperation { left, right, .. }) => {
                if !*second {
                    if let Some(row) = both.0.next(left, cx)? {
                        return Ok(Some(row));
                    }
                    *second = true;
                }
                both.1.next(right, cx)
            }
            (State::Collect(input, rows), _) => {
                if rows.is_none() {
                    *rows = Some(collect(input, node, cx)?.into_iter());
                }
                Ok(rows.as_mut().and_then(Iterator::next))
            }
            (State::Collect2(both, rows), Node::SetOperation { left, right, op, all }) => {
                if rows.is_none() {
                    let done = sort::set_operation(&mut both.0, left, &mut both.1, right, *op, *all, cx)?;
                    *rows = Some(done.into_iter());
                }
                Ok(rows.as_mut().and_then(Iterator::next))
            }
            (State::Watched(state, begun), _) => watched_next(state, begun, node, cx),
            _ => Err(crate::error::SqlError::internal("a state does not fit its node")),
        }
    }
}

/// The next row of a counted operator.
#[cold]
fn watched_next(state: &mut State, begun: &mut bool, node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
    let clock = &cx.exec.backend.shared.env.clock;
    let from = clock.elapsed();
    let row = state.next(node, cx)?;
    let took = clock.elapsed().saturating_sub(from);
    if let Some(watched) = &cx.exec.run.watched {
        let mut watched = watched.borrow_mut();
        let own = watched.entry(node_key(node)).or_default();
        if !*begun {
            own.loops += 1;
            own.first += took;
        }
        own.rows += u64::from(row.is_some());
        own.total += took;
    }
    *begun = true;
    Ok(row)
}

fn collect(input: &mut State, node: &Node, cx: &Cx<'_>) -> Result<Vec<Row>> {
    match node {
        Node::Aggregate { input: below, group, sets, grouping, aggregates } => {
            group::aggregate(input, below, group, sets, grouping, aggregates, cx)
        }
        Node::Window { input: below, calls } => window::window(input, below, calls, cx),
        Node::Sort { input: below, keys, limit } => sort::sort(input, below, keys, limit.as_ref(), cx),
        Node::Insert(plan) => write::insert(input, plan, cx),
        Node::Update(plan) => write::update(input, plan, cx),
        Node::Delete(plan) => write::delete(input, plan, cx),
        Node::Merge(plan) => write::merge(input, plan, cx),
        _ => Err(crate::error::SqlError::internal("a state does not fit its node")),
    }
}

/// Whether a tree gives at most one row without keeping a state: run it with `point`.
pub fn is_point(node: &Node) -> bool {
    match node {
        Node::Values { rows } => rows.len() <= 1,
        Node::IndexScan { unique, ranges, .. } => *unique && ranges.len() == 1 && !ranges[0].any,
        Node::Filter { input, .. } | Node::Project { input, .. } => is_point(input),
        _ => false,
    }
}

/// The only row of a tree for which `is_point` holds.
pub fn point(node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
    match node {
        Node::Values { rows } => match rows.first() {
            Some(exprs) => cx.eval_all(exprs, &[]).map(Some),
            None => Ok(None),
        },
        Node::IndexScan { table, index, ranges, filter, row_id, .. } => {
            scan::unique(table, *index, &ranges[0], filter.as_ref(), *row_id, cx)
        }
        Node::Filter { input, predicate } => match point(input, cx)? {
            Some(row) if cx.test(predicate, &row)? => Ok(Some(row)),
            _ => Ok(None),
        },
        Node::Project { input, exprs } => match point(input, cx)? {
            Some(row) => cx.eval_all(exprs, &row).map(Some),
            None => Ok(None),
        },
        _ => Err(crate::error::SqlError::internal("not a point plan")),
    }
}

/// All rows of a node, at most `limit`.
pub fn all_rows(node: &Node, cx: &Cx<'_>, limit: usize) -> Result<Vec<Row>> {
    if is_point(node) && cx.exec.run.watched.is_none() {
        return Ok(point(node, cx)?.into_iter().collect());
    }
    let mut state = cx.exec.state(node);
    let mut rows = Vec::new();
    while rows.len() < limit {
        match state.next(node, cx)? {
            Some(row) => rows.push(row),
            None => break,
        }
        cx.exec.tick()?;
    }
    Ok(rows)
}

/// What is due at the end of a statement: rest of writing WITH queries, constraint checks, triggers' folded work.
pub fn finish(exec: &Exec<'_>) -> Result<()> {
    if !exec.run.plan.writes {
        return Ok(());
    }
    cte::run_rest(exec)?;
    write::finish(exec)
}

/// Lends a context in which expressions that come from no statement are evaluated.
pub fn with_eval_context<T>(
    backend: &Backend,
    snapshot: Snapshot,
    depth: u32,
    work: impl FnOnce(&EvalContext<'_>) -> Result<T>,
) -> Result<T> {
    let run = Run::with_snapshot(backend, planning::empty_plan(), Vec::new(), snapshot, depth);
    let exec = Exec { backend, run: &run };
    work(&exec.cx().eval)
}

/// Runs a plan to its end: its rows and the count for its tag.
pub fn run_all(backend: &Backend, plan: &Arc<Plan>, params: Vec<Value>, depth: u32) -> Result<(Vec<Row>, u64)> {
    let run = Run::begin(backend, plan, params, depth)?;
    let exec = Exec { backend, run: &run };
    let plan = &run.plan;
    let result = all_rows(&plan.root, &exec.cx(), usize::MAX).and_then(|rows| {
        finish(&exec)?;
        Ok(rows)
    });
    backend.end_statement(run.snapshot);
    let rows = result?;
    let count = if plan.kind == PlanKind::Select { rows.len() as u64 } else { run.processed.get() };
    Ok((rows, count))
}

/// Runs a plan to its end for EXPLAIN ANALYZE: the plan that ran, and what its operators did.
pub fn run_watched(backend: &Backend, plan: &Arc<Plan>, params: Vec<Value>) -> Result<(Arc<Plan>, Actuals)> {
    let mut run = Run::begin(backend, plan, params, 0)?;
    run.watched = Some(Box::default());
    let exec = Exec { backend, run: &run };
    let plan = run.plan.clone();
    let result = all_rows(&plan.root, &exec.cx(), usize::MAX).and_then(|_| finish(&exec));
    backend.end_statement(run.snapshot);
    result?;
    Ok((plan, run.watched.map(|watched| watched.into_inner()).unwrap_or_default()))
}

/// The command tag of a plan that gave or wrote so many rows.
pub fn tag(kind: PlanKind, count: u64) -> String {
    match kind {
        PlanKind::Select => format!("SELECT {count}"),
        PlanKind::Insert => format!("INSERT 0 {count}"),
        PlanKind::Update => format!("UPDATE {count}"),
        PlanKind::Delete => format!("DELETE {count}"),
        PlanKind::Merge => format!("MERGE {count}"),
        PlanKind::Sync => format!("SYNC {count}"),
    }
}
