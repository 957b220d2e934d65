//! Portals and cursors: how a statement starts, and how its rows come out (PG-23, PG-27, PG-28).

use std::collections::HashMap;
use std::sync::Arc;

use super::prepared::expand;
use super::{Block, Current, Session, Simple};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::statement::{self, Outcome, is_plannable};
use crate::exec::{CachedStatement, CursorInfo, Exec, Run, State, all_rows, finish, point, tag};
use crate::parse::{self, CopyFormat, ParseOptions, Parsed, Statement};
use crate::plan::{OutputColumn, Plan, PlanKind};
use crate::store::RowTurn;
use crate::types::{DataType, Oid, Row, Value};

/// So many statements of a message are kept from when they were read first.
const AHEAD_MAX: usize = 100;

/// What running a portal begins with.
#[derive(Clone, Debug)]
pub enum Step {
    /// EmptyQueryResponse.
    Empty,
    /// Rows follow by `fetch`; the tag afterwards.
    Rows(Arc<[OutputColumn]>),
    /// Command tag, no rows.
    Done(String),
    /// Rows follow by `fetch_copy`.
    CopyOut {
        /// Format.
        format: CopyFormat,
        /// Number of columns.
        columns: usize,
    },
    /// Rows follow by `pull`, as a procedure gives them; the tag comes with the end.
    Procedure,
    /// The statement waits for its turn at a row, without having done anything: `execute` again when it has come, or
    /// after a short while, whichever is first.
    Waits(RowTurn),
    /// `copy_data` is expected, then `copy_done` or `copy_fail`.
    CopyIn {
        /// Format.
        format: CopyFormat,
        /// Number of columns.
        columns: usize,
    },
}

/// How far a `fetch` came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Rows given to the sink.
    pub rows: u64,
    /// The portal has no more.
    pub done: bool,
}

/// Where a portal's rows come from.
pub(super) enum Source {
    /// A plan not yet begun.
    Plan { plan: Arc<Plan>, params: Vec<Value>, point: bool },
    /// A running query.
    Running { run: Box<Run>, state: Option<State>, buffered: Option<Row> },
    /// Rows already there.
    Rows(std::vec::IntoIter<Row>),
    /// A statement without plan.
    Utility(Parsed),
    /// COPY TO.
    CopyOut(Box<super::copy::CopyOut>),
    /// A running procedure.
    Procedure(Box<super::procedure::Call>),
    /// FETCH on a procedure's cursor.
    Fetch(Box<super::procedure::FetchFrom>),
    /// Nothing left.
    Finished,
}

/// A portal or cursor.
pub(super) struct Portal {
    pub(super) source: Source,
    pub(super) columns: Option<Arc<[OutputColumn]>>,
    pub(super) formats: Arc<[i16]>,
    pub(super) text: Arc<str>,
    /// Rows given so far.
    pub(super) count: u64,
    /// Rows in the tag, or the whole tag of a statement with rows that is no SELECT.
    pub(super) tag: Option<String>,
    /// Of a statement with RETURNING: its tag counts the rows of each Execute.
    pub(super) kind: Option<PlanKind>,
    /// Microseconds since 2000.
    pub(super) made_at: i64,
    pub(super) started: bool,
    /// Its statement has stepped aside for others at a row, and is to begin again.
    pub(super) aside: bool,
    /// WITH HOLD.
    pub(super) hold: bool,
    /// The transaction that made it has committed: its rows are its own.
    pub(super) held: bool,
    /// SQL cursor: rows seen so far, to go back to, and the place in them.
    pub(super) seen: Option<(Vec<Row>, i64)>,
    /// Savepoints open when it was made.
    pub(super) depth: usize,
    /// Types and values of the parameters of a statement without plan.
    pub(super) arguments: (Vec<Oid>, Vec<Value>),
    /// A procedure's, made outside of a block: it outlives transactions (CDB-903, CDB-904).
    pub(super) detached: bool,
    /// The client was told that there are no rows.
    pub(super) undescribed: bool,
}

impl Portal {
    pub(super) fn plan(
        plan: Arc<Plan>,
        point: bool,
        params: Vec<Value>,
        columns: Option<Arc<[OutputColumn]>>,
        formats: Arc<[i16]>,
        depth: usize,
        text: Arc<str>,
    ) -> Portal {
        let source = Source::Plan { plan, params, point };
        Portal {
            source,
            columns,
            formats,
            text,
            count: 0,
            tag: None,
            kind: None,
            made_at: 0,
            held: false,
            started: false,
            aside: false,
            hold: false,
            seen: None,
            depth,
            arguments: (Vec::new(), Vec::new()),
            detached: false,
            undescribed: false,
        }
    }

    pub(super) fn utility(parsed: Parsed, depth: usize, formats: Arc<[i16]>) -> Portal {
        let text = parsed.text.clone();
        Portal {
            source: Source::Utility(parsed),
            columns: None,
            formats,
            text,
            count: 0,
            tag: None,
            kind: None,
            made_at: 0,
            held: false,
            started: false,
            aside: false,
            hold: false,
            seen: None,
            depth,
            arguments: (Vec::new(), Vec::new()),
            detached: false,
            undescribed: false,
        }
    }
}

impl Portal {
    /// Whether a procedure gives its rows.
    pub(super) fn is_procedure(&self) -> bool {
        match &self.source {
            Source::Procedure(_) => true,
            Source::Utility(parsed) => matches!(&*parsed.statement, Statement::ExecProcedure { .. }),
            _ => false,
        }
    }
}

/// Columns of rows that no plan describes.
pub(super) fn plain_columns(columns: &[(String, DataType)]) -> Arc<[OutputColumn]> {
    columns.iter().map(|(name, ty)| OutputColumn { name: name.clone(), ty: *ty, origin: (0, 0) }).collect()
}

/// Whether a client that knows one of these lists can read rows of the other.
pub(super) fn same_columns(a: &[OutputColumn], b: &[OutputColumn]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name && a.ty.oid == b.ty.oid)
}

impl Session {
    /// Begins a simple query: its statements run one by one through `simple_next`.
    pub fn simple_begin(&mut self, sql: &str) -> Result<()> {
        self.unnamed_statement = None;
        self.unnamed_portal = None;
        let script = sql.contains("$$") && parse::is_script(sql, &crate::exec::parse_options(&self.backend));
        self.simple = Some(Simple {
            text: Arc::from(sql),
            next: 0,
            last: false,
            several: false,
            offset: 0,
            script,
            ahead: HashMap::new(),
        });
        Ok(())
    }

    /// Starts the next statement as the internal portal; none = no more. Each is parsed when its turn comes. With
    /// `may_wait` it may give `Step::Waits`, as `execute`; the next call then begins the same statement again.
    pub fn simple_next(&mut self, may_wait: bool) -> Result<Option<Step>> {
        self.may_wait = may_wait;
        let next = self.simple_step();
        self.may_wait = false;
        next
    }

    fn simple_step(&mut self) -> Result<Option<Step>> {
        self.current = Current::Internal;
        if let Some(mut portal) = self.internal.take() {
            if std::mem::take(&mut portal.aside) {
                let offset = self.simple.as_ref().map_or(0, |simple| simple.offset);
                return self.start_internal(portal).map(Some).map_err(|error| shifted(error, offset));
            }
            self.end_portal(&mut portal);
        }
        let Some(simple) = &self.simple else { return Ok(None) };
        let text = simple.text.clone();
        let (from, several) = (simple.next, simple.several);
        self.begin_call(&text);
        if from == 0 {
            let known = self.backend.plans.borrow_mut().get(&text, &[]).cloned();
            if let Some(cached) = known {
                if let Some(simple) = &mut self.simple {
                    simple.next = text.len();
                    simple.last = true;
                }
                return self.start_cached(cached, &text, true).map(Some);
            }
        }
        let options = crate::exec::parse_options(&self.backend);
        let Some(raw) = parse::split_first(&text, from, &options)? else {
            if self.block == Block::None && self.backend.txn.borrow().is_some() {
                self.commit_now()?;
            }
            self.end_silent_call();
            return Ok((from == 0).then_some(Step::Empty).filter(|_| {
                if let Some(simple) = &mut self.simple {
                    simple.next = text.len().max(1);
                }
                true
            }));
        };
        let last = parse::split_first(&text, raw.next, &options)?.is_none();
        let whole = from == 0 && last;
        if let Some(simple) = &mut self.simple {
            simple.next = raw.next.max(1);
            simple.last = last;
            simple.several = !simple.script && (several || !last);
        }
        let ahead = self.simple.as_mut().and_then(|simple| simple.ahead.remove(&raw.range.start));
        // In a failed block PostgreSQL still reports syntax errors first.
        let parsed = match ahead.map_or_else(|| crate::exec::parse_statement(&self.backend, &text, &raw, &options), Ok)
        {
            Ok(parsed) => parsed,
            Err(error) => {
                let Some((raw, parsed)) = parse::ended_by_line(&text, &raw, &error, &options) else {
                    return Err(error);
                };
                if let Some(simple) = &mut self.simple {
                    simple.next = raw.next;
                    simple.last = false;
                    simple.several = !simple.script;
                }
                parsed
            }
        };
        if from == 0 && !last {
            self.read_ahead(&text, raw.next, &options)?;
        }
        let offset = parsed.offset;
        if let Some(simple) = &mut self.simple {
            simple.offset = offset;
        }
        let cached = CachedStatement { parsed, plan: None, point: false };
        self.start_cached(cached, &text, whole).map(Some).map_err(|error| shifted(error, offset))
    }

    /// Reads the statements behind the first: PostgreSQL runs none of a message that it cannot read (PG-20). Where
    /// another dialect may still read one of them, its turn decides. Errors: 42601.
    fn read_ahead(&mut self, text: &Arc<str>, mut at: usize, options: &ParseOptions) -> Result<()> {
        let Some(simple) = &mut self.simple else { return Ok(()) };
        // What follows SET dialect is read by another rule.
        if simple.script || contains_word(text, "dialect") {
            return Ok(());
        }
        while let Ok(Some(raw)) = parse::split_first(text, at, options) {
            match parse::parse(text, &raw, options) {
                // AMI's names are looked for when its turn comes.
                Ok(parsed) if is_plannable(&parsed.statement) && simple.ahead.len() < AHEAD_MAX => {
                    simple.ahead.insert(raw.range.start, parsed);
                }
                Ok(_) => {}
                Err(error) if parse::is_final(text, &raw, &error, options) => return Err(error),
                Err(_) => {}
            }
            at = raw.next.max(at + 1);
        }
        Ok(())
    }

    /// Starts a statement of a simple message.
    fn start_cached(&mut self, mut cached: CachedStatement, text: &Arc<str>, whole: bool) -> Result<Step> {
        self.check_not_failed(&cached.parsed.statement)?;
        let depth = self.savepoints.len();
        let portal = if is_plannable(&cached.parsed.statement) {
            self.ensure_transaction();
            let before = cached.plan.as_ref().map(|(plan, _)| Arc::as_ptr(plan));
            let plan = statement::current_plan(&self.backend, &mut cached, &[])?;
            if !plan.params.is_empty() {
                return Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, "there is no parameter $1"));
            }
            let columns: Option<Arc<[OutputColumn]>> =
                (!plan.columns.is_empty() || plan.kind == PlanKind::Select).then(|| Arc::from(plan.columns.as_slice()));
            let formats = expand(&[], plan.columns.len())?;
            let point = cached.point;
            if whole
                && before != Some(Arc::as_ptr(&plan))
                && !matches!(&*cached.parsed.statement, Statement::InsertValues(_))
            {
                statement::keep(&self.backend, text, &[], &cached);
            }
            Portal::plan(plan, point, Vec::new(), columns, formats, depth, text.clone())
        } else {
            let formats = self.empty_formats.clone();
            Portal::utility(cached.parsed, depth, formats)
        };
        self.start_internal(portal)
    }

    fn start_internal(&mut self, mut portal: Portal) -> Result<Step> {
        let step = self.start(&mut portal)?;
        let step = match step {
            Step::Waits(turn) => {
                self.internal = Some(portal);
                return Ok(Step::Waits(turn));
            }
            Step::Rows(columns) => {
                if portal.formats.len() != columns.len() {
                    portal.formats = expand(&[], columns.len())?;
                }
                self.internal = Some(portal);
                Step::Rows(columns)
            }
            Step::CopyOut { format, columns } => {
                self.internal = Some(portal);
                Step::CopyOut { format, columns }
            }
            Step::Procedure => {
                self.internal = Some(portal);
                Step::Procedure
            }
            Step::Done(tag) => {
                self.statement_done()?;
                Step::Done(tag)
            }
            other => other,
        };
        // A statement whose rows are still to come can be cancelled until the last of them.
        if matches!(step, Step::Rows(_) | Step::CopyOut { .. } | Step::Procedure) {
            self.take_style();
        } else {
            self.end_call();
        }
        Ok(step)
    }

    /// Describe of a portal: its columns and one format code per column. Errors: 34000.
    #[allow(clippy::type_complexity, reason = "columns and their formats")]
    pub fn describe_portal(&mut self, portal: &str) -> Result<(Option<Arc<[OutputColumn]>>, Arc<[i16]>)> {
        let found = if portal.is_empty() { self.unnamed_portal.as_ref() } else { self.portals.get(portal) };
        let found = found.ok_or_else(|| no_portal(portal))?;
        Ok((found.columns.clone(), found.formats.clone()))
    }

    /// Execute: starts a portal, or continues a suspended one. With `may_wait` a statement that meets a row of another
    /// transaction before it has done anything gives `Step::Waits`, which holds no thread. Errors: 34000, 55000 for a
    /// finished command.
    pub fn execute(&mut self, portal: &str, may_wait: bool) -> Result<Step> {
        let taken = if portal.is_empty() {
            self.current = Current::Unnamed;
            self.unnamed_portal.take()
        } else {
            self.current = Current::Named(portal.to_owned());
            self.portals.remove(portal)
        };
        let mut taken = taken.ok_or_else(|| no_portal(portal))?;
        if !std::mem::take(&mut taken.aside) {
            let text = taken.text.clone();
            self.begin_call(&text);
        }
        self.may_wait = may_wait;
        let result = if taken.started {
            // The tag of each Execute counts its own rows.
            taken.count = 0;
            Session::again(&taken, portal)
        } else {
            self.start(&mut taken)
        };
        self.may_wait = false;
        let current = self.current.clone();
        match (&result, current) {
            // COMMIT and ROLLBACK close portals while they run; theirs goes too.
            (Err(_), _) => {}
            (Ok(_), Current::Unnamed) => self.unnamed_portal = Some(taken),
            (Ok(_), Current::Named(name)) => {
                self.portals.insert(name, taken);
            }
            (Ok(_), _) => {}
        }
        if result.is_ok() && self.block == Block::None && self.backend.txn.borrow().is_some() {
            self.pipelined = true;
        }
        match result {
            Ok(Step::Rows(_) | Step::CopyOut { .. } | Step::Procedure) => self.take_style(),
            Ok(Step::Waits(_)) => {}
            _ => self.end_call(),
        }
        result
    }

    fn again(portal: &Portal, name: &str) -> Result<Step> {
        match (&portal.columns, &portal.source) {
            (_, Source::Procedure(_) | Source::Fetch(_)) => Ok(Step::Procedure),
            (Some(columns), _) => Ok(Step::Rows(columns.clone())),
            (None, Source::CopyOut(copy)) => Ok(Step::CopyOut { format: copy.format(), columns: copy.width() }),
            (None, _) => Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("portal \"{name}\" cannot be run"),
            )),
        }
    }

    /// Starts a portal: statements other than queries run to their end.
    pub(super) fn start(&mut self, portal: &mut Portal) -> Result<Step> {
        portal.started = true;
        portal.made_at = self.backend.statement_time.get();
        match std::mem::replace(&mut portal.source, Source::Finished) {
            Source::Plan { plan, params, point } => self.start_plan(portal, plan, params, point),
            Source::Utility(parsed) => {
                self.check_not_failed(&parsed.statement)?;
                self.start_utility(portal, parsed)
            }
            Source::Finished => Ok(Step::Done(String::new())),
            procedure @ Source::Procedure(_) => {
                portal.source = procedure;
                Ok(Step::Procedure)
            }
            other => {
                portal.source = other;
                match &portal.columns {
                    Some(columns) => Ok(Step::Rows(columns.clone())),
                    None => Ok(Step::Empty),
                }
            }
        }
    }

    fn start_plan(&mut self, portal: &mut Portal, plan: Arc<Plan>, params: Vec<Value>, is_point: bool) -> Result<Step> {
        if self.block == Block::Failed {
            self.check_not_failed(&Statement::Reset(None))?;
        }
        self.ensure_transaction();
        self.backend.pending.borrow_mut().queried = true;
        let run = Run::begin(&self.backend, &plan, params, 0)?;
        let mut is_point = is_point;
        if !Arc::ptr_eq(&plan, &run.plan) {
            if let Err(error) = self.planned_again(portal, &run.plan) {
                self.backend.end_statement(run.snapshot);
                return Err(error);
            }
            is_point = crate::exec::is_point(&run.plan.root);
        }
        let plan = run.plan.clone();
        if !self.portals.is_empty() || self.current != Current::Internal || !self.backend.cursors.borrow().is_empty() {
            self.show_cursors(portal);
        }
        let query = plan.kind == PlanKind::Select && !plan.writes;
        if query && !is_point {
            let state = State::new(&plan.root);
            portal.source = Source::Running { run: Box::new(run), state: Some(state), buffered: None };
            return Ok(Step::Rows(portal.columns.clone().unwrap_or_default()));
        }
        if plan.restartable && self.may_wait {
            self.backend.step_aside();
        }
        let exec = Exec { backend: &self.backend, run: &run };
        let result = if is_point && query {
            point(&plan.root, &exec.cx()).map(|row| row.into_iter().collect())
        } else {
            all_rows(&plan.root, &exec.cx(), usize::MAX).and_then(|rows: Vec<Row>| {
                finish(&exec)?;
                Ok(rows)
            })
        };
        self.backend.end_statement(run.snapshot);
        if plan.restartable
            && let Some(turn) = self.backend.stepped_aside()
        {
            portal.source = Source::Plan { plan, params: run.params, point: is_point };
            (portal.started, portal.aside) = (false, true);
            return Ok(Step::Waits(turn));
        }
        let rows = result?;
        if let Some(columns) = portal.columns.clone() {
            portal.kind = Some(plan.kind).filter(|kind| *kind != PlanKind::Select);
            portal.source = Source::Rows(rows.into_iter());
            return Ok(Step::Rows(columns));
        }
        self.counted = self.block == Block::Open && self.backend.notices.borrow().is_empty() && !self.backend.internal;
        Ok(Step::Done(tag(plan.kind, run.processed.get())))
    }

    /// Takes the columns of a plan that replaced the portal's own. Errors: 0A000 if the client knows the old ones and they
    /// differ.
    fn planned_again(&self, portal: &mut Portal, plan: &Plan) -> Result<()> {
        let known = portal.columns.as_deref().unwrap_or(&[]);
        if same_columns(&plan.columns, known) {
            return Ok(());
        }
        if self.current != Current::Internal {
            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "cached plan must not change result type"));
        }
        portal.columns = Some(Arc::from(plan.columns.as_slice()));
        portal.formats = expand(&[], plan.columns.len())?;
        Ok(())
    }

    /// Keeps what a statement without plan gave in its portal.
    pub(super) fn take_outcome(&mut self, portal: &mut Portal, outcome: Outcome) -> Result<Step> {
        match outcome {
            Outcome::Tag(tag) => Ok(Step::Done(tag)),
            Outcome::Rows(columns, rows, tag) => {
                let columns = plain_columns(&columns);
                portal.columns = Some(columns.clone());
                if portal.formats.len() != columns.len() {
                    portal.formats = expand(&[], columns.len())?;
                }
                portal.source = Source::Rows(rows.into_iter());
                portal.tag = Some(tag);
                Ok(Step::Rows(columns))
            }
        }
    }

    fn current_portal(&mut self) -> Option<&mut Portal> {
        match &self.current {
            Current::None => None,
            Current::Internal => self.internal.as_mut(),
            Current::Unnamed => self.unnamed_portal.as_mut(),
            Current::Named(name) => self.portals.get_mut(name),
        }
    }

    pub(super) fn take_current(&mut self) -> Option<Portal> {
        match &self.current {
            Current::None => None,
            Current::Internal => self.internal.take(),
            Current::Unnamed => self.unnamed_portal.take(),
            Current::Named(name) => self.portals.remove(name),
        }
    }

    pub(super) fn put_current(&mut self, portal: Portal) {
        match &self.current {
            Current::None => {}
            Current::Internal => self.internal = Some(portal),
            Current::Unnamed => self.unnamed_portal = Some(portal),
            Current::Named(name) => {
                self.portals.insert(name.clone(), portal);
            }
        }
    }

    /// Rows of the portal started last by `simple_next` or `execute`. `max` 0 = all. Returns early (`done` false) after
    /// about 64 KiB or 256 rows so that the front end can flush: call again until done or `max` rows came.
    pub fn fetch(&mut self, max: u64, sink: &mut dyn FnMut(&[Value]) -> Result<()>) -> Result<Fetched> {
        let Some(mut portal) = self.take_current() else { return Ok(Fetched { rows: 0, done: true }) };
        let limit = if max == 0 { 256 } else { max.min(256) };
        let mut rows = 0;
        let mut bytes = 0;
        let mut done = false;
        while rows < limit && bytes < 64 * 1024 {
            match self.next_row(&mut portal) {
                Ok(Some(row)) => {
                    bytes += row.len() * 16 + row.iter().map(Value::heap_bytes).sum::<usize>();
                    rows += 1;
                    portal.count += 1;
                    sink(&row)?;
                }
                Ok(None) => {
                    done = true;
                    break;
                }
                Err(error) => {
                    self.end_portal(&mut portal);
                    return Err(error);
                }
            }
        }
        // The last of an exact count: an all-rows fetch knows at once that there is no more.
        if !done && max == 0 {
            if let Source::Rows(left) = &portal.source {
                done = left.len() == 0;
            }
        }
        if done {
            self.end_portal(&mut portal);
        } else if rows > 0 {
            self.rest_on_seen();
        }
        self.put_current(portal);
        if done && self.current == Current::Internal {
            self.statement_done()?;
        }
        if done || (max > 0 && rows >= max) {
            self.end_call();
        }
        Ok(Fetched { rows, done })
    }

    /// The next row of a portal.
    pub(super) fn next_row(&self, portal: &mut Portal) -> Result<Option<Row>> {
        match &mut portal.source {
            Source::Rows(rows) => Ok(rows.next()),
            Source::Running { run, state, buffered } => {
                if let Some(row) = buffered.take() {
                    return Ok(Some(row));
                }
                let exec = Exec { backend: &self.backend, run };
                match state {
                    Some(state) => state.next(&run.plan.root, &exec.cx()),
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// A portal has given its last row, or goes: its snapshot is released.
    pub(super) fn end_portal(&mut self, portal: &mut Portal) {
        if let Source::Running { run, .. } = &portal.source {
            self.backend.end_statement(run.snapshot);
            self.rest_on_seen();
        }
        if !matches!(portal.source, Source::Utility(_) | Source::Plan { .. }) {
            portal.source = Source::Rows(Vec::new().into_iter());
        }
    }

    /// Command tag of the portal just exhausted: `SELECT 3`.
    pub fn tag(&mut self) -> String {
        let Some(portal) = self.current_portal() else { return "SELECT 0".to_owned() };
        let count = std::mem::take(&mut portal.count);
        match (&portal.tag, portal.kind) {
            (Some(tag), _) => tag.clone(),
            (None, Some(kind)) => tag(kind, count),
            (None, None) => format!("SELECT {count}"),
        }
    }

    /// Format codes of the current portal's columns.
    #[must_use]
    pub fn result_formats(&self) -> Arc<[i16]> {
        let portal = match &self.current {
            Current::None => None,
            Current::Internal => self.internal.as_ref(),
            Current::Unnamed => self.unnamed_portal.as_ref(),
            Current::Named(name) => self.portals.get(name),
        };
        portal.map_or_else(|| self.empty_formats.clone(), |portal| portal.formats.clone())
    }

    /// Close of a portal; an unknown name is no error.
    pub fn close_portal(&mut self, name: &str) {
        let portal = if name.is_empty() { self.unnamed_portal.take() } else { self.portals.remove(name) };
        if let Some(mut portal) = portal {
            self.end_portal(&mut portal);
        }
    }

    /// The transaction ends: portals go, WITH HOLD cursors stay with their rows (on commit).
    pub(super) fn close_portals(&mut self, commit: bool) {
        if let Some(mut portal) = self.unnamed_portal.take_if(|portal| !portal.detached) {
            self.end_portal(&mut portal);
        }
        if self.portals.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.portals);
        for (name, mut portal) in all {
            let kept = portal.detached || portal.hold && (commit || portal.held);
            if kept {
                self.portals.insert(name, portal);
            } else {
                self.end_portal(&mut portal);
            }
        }
    }

    /// Before a commit: cursors WITH HOLD take the rows that are left of their queries with them. Errors: those of the
    /// queries; the cursor is gone then.
    pub(super) fn hold_cursors(&mut self) -> Result<()> {
        let names: Vec<String> = self
            .portals
            .iter()
            .filter(|(_, portal)| portal.hold && !portal.held)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let Some(mut portal) = self.portals.remove(&name) else { continue };
            let mut rows = Vec::new();
            let all = loop {
                match self.next_row(&mut portal) {
                    Ok(Some(row)) => rows.push(row),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            self.end_portal(&mut portal);
            all?;
            portal.source = Source::Rows(rows.into_iter());
            portal.held = true;
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    /// Tells pg_cursors which cursors and portals there are; `running` is the one at work.
    fn show_cursors(&self, running: &Portal) {
        let mut shown = self.backend.cursors.borrow_mut();
        shown.clear();
        let info = |name: &str, portal: &Portal| CursorInfo {
            name: name.to_owned(),
            text: portal.text.clone(),
            hold: portal.hold,
            scroll: portal.seen.is_some(),
            made_at: portal.made_at,
        };
        match &self.current {
            Current::Unnamed => shown.push(info("", running)),
            Current::Named(name) => shown.push(info(name, running)),
            Current::None | Current::Internal => {}
        }
        shown.extend(self.portals.iter().map(|(name, portal)| info(name, portal)));
    }

    /// Portals made after the savepoint of this place go.
    pub(super) fn drop_portals_since(&mut self, savepoint: usize) {
        let names: Vec<String> = self
            .portals
            .iter()
            .filter(|(_, portal)| portal.depth > savepoint && !portal.detached)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.close_portal(&name);
        }
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn contains_word(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Positions of binding count from the statement's own text; the client's count from the message.
fn shifted(mut error: SqlError, offset: u32) -> SqlError {
    if let Some(position) = &mut error.fields_mut().position {
        position.0 = position.0.saturating_add(offset);
    }
    error
}
