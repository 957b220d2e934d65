//! Consumers: who holds a queue, who waits for it, and a holder's way through its events (sections 7 and 9).
//!
//! The registry is in memory: a registration lives as long as the execution that made it. What is consumed is durable in
//! the queue's cursor, which a commit moves only from where the holder found it; so two who both believe to hold a queue
//! cannot both consume an event. Nobody waits here: whoever cannot go on leaves a waker.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use parking_lot::Mutex;
use tripline_sql::catalog::{TableId, TriggerDef, TriggerId};
use tripline_sql::change::{CommitRecord, Position, Waker};
use tripline_sql::engine::{Engine, LogReader, ReadItem};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{Oid, Value};

use super::{event, last_number, numbered};
use crate::cursor::{self, ReadAhead};
use crate::kind::Delivery;
use crate::script::lua::comdb2::db::{Consumption, EventInfo, blocking_emit, remember_event, with_host};
use crate::script::lua::{Budget, token, yielder};

/// How long a client may take over a row before a waiting one may have the queue (CDB-716).
const EMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// An execution that holds a queue, or waits for it.
struct Seat {
    ticket: u64,
    pid: i32,
    waker: Waker,
}

#[derive(Default)]
struct Registration {
    holder: Option<Seat>,
    /// The holder's client has had a row since then, and may keep it so long.
    emitting: Option<(Duration, Duration)>,
    waiters: VecDeque<Seat>,
    dropped: bool,
}

/// How a queue stands, for the system relations (CDB-1105).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Process of the holder.
    pub holder: Option<i32>,
    /// The holder waits for its client.
    pub emitting: bool,
    /// Executions that wait for the queue.
    pub waiters: usize,
}

/// All consumers of an engine.
#[derive(Default)]
pub struct Consumers {
    queues: Mutex<HashMap<TriggerId, Arc<Mutex<Registration>>>>,
    tickets: AtomicU64,
    /// Executions that wait for a commit, and what they watch.
    waiting: Mutex<Vec<(Waker, Arc<TriggerDef>)>>,
    any: AtomicBool,
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Consumers")
    }
}

impl Consumers {
    fn queue(&self, id: TriggerId) -> Arc<Mutex<Registration>> {
        self.queues.lock().entry(id).or_default().clone()
    }

    /// Wakes whoever waits for changes of these tables: there may be some, which are not durable yet.
    pub(crate) fn changed(&self, tables: &mut dyn Iterator<Item = TableId>) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = self.waiting.lock();
        let mut ready = Vec::new();
        for table in tables {
            let watches = |(_, def): &mut (Waker, Arc<TriggerDef>)| def.events.iter().any(|event| event.table == table);
            ready.extend(waiting.extract_if(.., watches));
        }
        if waiting.is_empty() {
            self.any.store(false, Ordering::SeqCst);
        }
        drop(waiting);
        for (waker, _) in ready {
            waker();
        }
    }

    /// Wakes whoever waits for events: something became durable.
    pub(crate) fn durable(&self) {
        if !self.any.swap(false, Ordering::SeqCst) {
            return;
        }
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for (waker, _) in waiting {
            waker();
        }
    }

    fn wait(&self, waker: &Waker, def: &Arc<TriggerDef>) {
        self.waiting.lock().push((waker.clone(), def.clone()));
        self.any.store(true, Ordering::SeqCst);
    }

    /// Ends the executions of queues that are no more (CDB-713); gives their triggers.
    pub(crate) fn keep(&self, engine: &Engine) -> Vec<TriggerId> {
        let gone: Vec<(TriggerId, Arc<Mutex<Registration>>)> = {
            let mut queues = self.queues.lock();
            // Looked at now: catalogs older than a registration may not have its queue yet.
            let catalogs = engine.catalogs();
            let is_gone = |id: &TriggerId| !catalogs.databases().any(|catalog| catalog.trigger(*id).is_some());
            let ids: Vec<TriggerId> = queues.keys().copied().filter(is_gone).collect();
            ids.into_iter().filter_map(|id| queues.remove(&id).map(|queue| (id, queue))).collect()
        };
        let ids = gone.iter().map(|(id, _)| *id).collect();
        for (_, queue) in gone {
            let wakers: Vec<Waker> = {
                let mut queue = queue.lock();
                queue.dropped = true;
                queue.holder.iter().chain(&queue.waiters).map(|seat| seat.waker.clone()).collect()
            };
            for waker in wakers {
                waker();
            }
        }
        ids
    }

    /// How a queue stands.
    #[must_use]
    pub fn standing(&self, id: TriggerId) -> Standing {
        let queue = self.queue(id);
        let queue = queue.lock();
        Standing {
            holder: queue.holder.as_ref().map(|seat| seat.pid),
            emitting: queue.emitting.is_some(),
            waiters: queue.waiters.len(),
        }
    }
}

/// What an execution brings along.
pub(super) struct Party {
    pub(super) consumers: Arc<Consumers>,
    pub(super) engine: Engine,
    pub(super) def: Arc<TriggerDef>,
    pub(super) database: Oid,
    pub(super) pid: i32,
    pub(super) waker: Waker,
}

/// What a consumer was asked for (CDB-703).
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    sequence: bool,
    epoch: bool,
    tid: bool,
    register_timeout: Option<Duration>,
}

/// One event.
struct Event {
    position: Position,
    record: Arc<CommitRecord>,
    place: usize,
}

/// The consumer of one execution.
pub(super) struct Consumer {
    party: Party,
    queue: Arc<Mutex<Registration>>,
    ticket: u64,
    wanted: Wanted,
    registered: bool,
    emit_timeout: Duration,
    /// Consumed up to here, as committed.
    position: Position,
    /// The queue was made here: what comes before concerns nobody.
    new: bool,
    reader: Option<LogReader>,
    ahead: ReadAhead,
    /// Events read and not consumed.
    events: VecDeque<Event>,
    /// Where all that was read and is no event ends.
    seen: Position,
    /// Place of the next event to be given.
    at: usize,
    /// An event was given and neither consumed nor passed yet.
    given: bool,
    /// Number of events that the commit will consume.
    marked: usize,
    tables: event::Tables,
    /// Number of the last event consumed, WITH SEQUENCE.
    number: Option<i64>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.queue.lock();
            queue.waiters.retain(|seat| seat.ticket != self.ticket);
            if queue.holder.as_ref().is_some_and(|seat| seat.ticket == self.ticket) {
                queue.holder = None;
                queue.emitting = None;
            }
            queue.waiters.front().map(|seat| seat.waker.clone())
        };
        if !self.queue.lock().dropped {
            self.report();
        }
        if let Some(waker) = next {
            waker();
        }
    }
}

fn lost() -> SqlError {
    SqlError::new(SqlState::SERIALIZATION_FAILURE, "the consumer was handed to another client")
}

impl Consumer {
    pub(super) fn new(party: Party) -> Consumer {
        let queue = party.consumers.queue(party.def.id);
        let ticket = party.consumers.tickets.fetch_add(1, Ordering::Relaxed);
        Consumer {
            party,
            queue,
            ticket,
            wanted: Wanted::default(),
            registered: false,
            emit_timeout: EMIT_TIMEOUT,
            position: Position::START,
            new: false,
            reader: None,
            ahead: ReadAhead::new(),
            events: VecDeque::new(),
            seen: Position::START,
            at: 0,
            given: false,
            marked: 0,
            tables: event::Tables::default(),
            number: None,
        }
    }

    fn dropped(&self) -> SqlError {
        SqlError::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("consumer \"{}\" was dropped", self.party.def.name),
        )
    }

    /// Tells the system relations how the queue stands.
    fn report(&self) {
        let standing = self.party.consumers.standing(self.party.def.id);
        self.party.engine.subscriber_status().update(self.party.def.id, |status| {
            let state = match (standing.holder, standing.emitting) {
                (None, _) => "unassigned",
                (Some(_), true) => "emitting",
                (Some(_), false) => "running",
            };
            state.clone_into(&mut status.state);
            status.holder = standing.holder;
            status.waiters = standing.waiters as u64;
        });
    }

    fn now(&self) -> Duration {
        self.party.engine.env().clock.elapsed()
    }

    /// Whether it holds the queue. Errors: 55000 the queue is no more.
    fn holds(&self) -> Result<bool> {
        let queue = self.queue.lock();
        if queue.dropped {
            return Err(self.dropped());
        }
        Ok(queue.holder.as_ref().is_some_and(|seat| seat.ticket == self.ticket))
    }

    /// Takes the queue if it may: none then. Else when to look again (none: when woken). Errors: 55000; 55006 held by
    /// the same client.
    fn try_take(&mut self) -> Result<Option<Option<Duration>>> {
        let now = self.now();
        let mut queue = self.queue.lock();
        if queue.dropped {
            drop(queue);
            return Err(self.dropped());
        }
        if queue.holder.as_ref().is_some_and(|seat| seat.ticket == self.ticket) {
            return Ok(None);
        }
        let mine = self.party.pid;
        if queue.holder.as_ref().is_some_and(|seat| seat.pid == mine && seat.pid != 0) {
            return Err(SqlError::new(
                SqlState::OBJECT_IN_USE,
                format!("consumer \"{}\" is held by another cursor of this connection", self.party.def.name),
            ));
        }
        if !queue.waiters.iter().any(|seat| seat.ticket == self.ticket) {
            queue.waiters.push_back(Seat { ticket: self.ticket, pid: mine, waker: self.party.waker.clone() });
        }
        let first = queue.waiters.front().is_some_and(|seat| seat.ticket == self.ticket);
        let ends = queue.emitting.map(|(since, timeout)| since.saturating_add(timeout));
        let free = queue.holder.is_none() || ends.is_some_and(|ends| ends <= now);
        if first && free {
            queue.holder = queue.waiters.pop_front();
            queue.emitting = None;
            // The next one in line learns that it is the first now.
            let next = queue.waiters.front().map(|seat| seat.waker.clone());
            drop(queue);
            if let Some(waker) = next {
                waker();
            }
            self.start();
            self.report();
            return Ok(None);
        }
        drop(queue);
        self.report();
        Ok(Some(if first { ends } else { None }))
    }

    /// Begins at the head.
    fn start(&mut self) {
        self.position = cursor::committed(&self.party.engine, self.party.def.id).unwrap_or(Position::START);
        self.new = cursor::is_new(self.position);
        let from = if self.new { Position::end_of(self.position.commit) } else { self.position };
        self.reader = Some(self.party.engine.reader(from).ahead());
        self.ahead = ReadAhead::new();
        self.seen = from;
        self.events.clear();
        self.number = None;
        self.reset();
    }

    fn reset(&mut self) {
        self.at = 0;
        self.marked = 0;
        self.given = false;
    }

    /// Reads until there is an event at `at`, or no more.
    fn fill(&mut self) -> Result<bool> {
        while self.events.len() <= self.at {
            let Some(reader) = &mut self.reader else { return Ok(false) };
            let items = self.ahead.next(reader)?;
            if items.is_empty() {
                return Ok(false);
            }
            // Tables that were made again are watched from then on (CDB-1202): the definition is at least as new as what
            // was read.
            let catalogs = self.party.engine.catalogs();
            if let Some(def) = catalogs.database(self.party.database).and_then(|all| all.trigger(self.party.def.id)) {
                self.party.def = def.clone();
            }
            for item in items {
                match item {
                    ReadItem::Gap { to, .. } => self.seen = to,
                    ReadItem::Record(record) => self.take(&record),
                }
            }
        }
        Ok(true)
    }

    fn take(&mut self, record: &Arc<CommitRecord>) {
        let from = std::mem::replace(&mut self.seen, Position::end_of(record.commit));
        if self.new {
            self.new = !cursor::creates(record, self.party.def.id);
            return;
        }
        if record.database != self.party.database {
            return;
        }
        for (place, change) in record.changes.iter().enumerate() {
            let position = Position { commit: record.commit, ordinal: change.ordinal };
            if position > from && event::columns(&self.party.def, change).is_some() {
                self.events.push_back(Event { position, record: record.clone(), place });
            }
        }
    }

    /// The table of the event at `at`.
    fn table(&mut self, lua: &Lua, session: &mut Session) -> Result<Table> {
        let catalogs = self.party.engine.catalogs();
        if let Some(catalog) = catalogs.database(self.party.database) {
            self.tables.refresh(lua, &self.party.def, catalog)?;
        }
        let number = if numbered(&self.party.def) {
            if self.number.is_none() {
                let own = !session.in_transaction();
                if own {
                    session.begin_internal(None, None)?;
                }
                let def = self.party.def.clone();
                let found = session.with_hook_context(&mut |ctx| Ok(last_number(ctx, &def, false)?.1));
                if own {
                    session.rollback_internal();
                }
                self.number = Some(found?);
            }
            self.number.map(|last| last + 1 + i64::try_from(self.at).unwrap_or(i64::MAX))
        } else {
            None
        };
        let Some(event) = self.events.get(self.at) else { return Err(SqlError::internal("no event to give")) };
        // The procedure may work on it while it is written and synced; its client hears nothing of it before.
        session.rest_on(event.record.commit);
        let Some(change) = event.record.changes.get(event.place) else {
            return Err(SqlError::internal("an event without its change"));
        };
        let delivery = Delivery {
            position: event.position,
            committed_at: event.record.committed_at,
            change,
            hops: 0,
            attempts: 0,
            origin: event.record.origin,
        };
        let (table, info) = self.tables.event(lua, &delivery, number)?;
        let wanted = self.wanted;
        let set = || -> mlua::Result<()> {
            remember_event(lua, &table, info)?;
            let EventInfo { tid, epoch, sequence } = info;
            use crate::script::lua::convert::to_lua;
            use tripline_sql::types::DataType;
            if wanted.tid {
                table.raw_set("tid", to_lua(lua, &Value::Int8(tid), DataType::INT8)?)?;
            }
            if wanted.epoch {
                table.raw_set("epoch", to_lua(lua, &Value::Int8(epoch), DataType::INT8)?)?;
            }
            if wanted.sequence {
                table.raw_set("sequence", to_lua(lua, &Value::from(sequence), DataType::INT8)?)?;
            }
            Ok(())
        };
        set().map_err(|error| crate::script::lua::sql_error(&error))?;
        self.given = true;
        Ok(table)
    }

    /// Marks the event given last; false if there is none.
    fn mark(&mut self) -> bool {
        if !std::mem::take(&mut self.given) {
            return false;
        }
        self.at += 1;
        self.marked = self.at;
        true
    }
}

impl Consumption for Consumer {
    fn pending(&self) -> bool {
        self.marked > 0
    }

    fn pass(&mut self, session: &mut Session) -> Result<bool> {
        if numbered(&self.party.def) {
            return Ok(false);
        }
        if !self.holds()? {
            return Err(lost());
        }
        if let Some(last) = self.marked.checked_sub(1).and_then(|at| self.events.get(at)) {
            session.pass_events(self.party.def.id, self.position, last.position)?;
        }
        Ok(true)
    }

    fn add_to(&mut self, session: &mut Session) -> Result<()> {
        if !self.holds()? {
            return Err(lost());
        }
        let Some(last) = self.marked.checked_sub(1).and_then(|at| self.events.get(at)) else { return Ok(()) };
        let (from, to, def) = (self.position, last.position, self.party.def.clone());
        let number =
            if numbered(&def) { self.number.map(|last| last + i64::try_from(self.marked).unwrap_or(0)) } else { None };
        session.with_hook_context(&mut |ctx| {
            if ctx.catalog().trigger(def.id).is_none() {
                return Err(SqlError::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "the consumer was dropped"));
            }
            ctx.advance_cursor(def.id, from, to);
            if let Some(number) = number {
                super::set_number(ctx, &def, number)?;
            }
            Ok(())
        })
    }

    fn ended(&mut self, committed: bool) {
        if committed && self.marked > 0 {
            if let Some(last) = self.events.get(self.marked - 1) {
                self.position = last.position;
            }
            let count = self.marked;
            self.events.drain(..count);
            self.number = self.number.map(|last| last + i64::try_from(count).unwrap_or(0));
            self.party.engine.subscriber_status().update(self.party.def.id, |status| {
                status.delivered += count as u64;
                status.position = Some(self.position);
            });
        }
        self.reset();
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// What a look for the next event found.
enum Look {
    Event(Table),
    /// None in time.
    Nothing,
    /// Until then.
    Wait(Option<Duration>),
    /// The queue was handed to another client.
    Lost,
}

/// The consumer of the state, and its session.
fn with_consumer<T>(lua: &Lua, f: impl FnOnce(&mut Consumer, &mut Session) -> Result<T>) -> mlua::Result<T> {
    let result = with_host(lua, |host| {
        let (Some(consumer), Some(session)) = (&mut host.consumer, &mut host.session) else {
            return Ok(Err(SqlError::internal("no consumer in this state")));
        };
        Ok(match consumer.as_any().downcast_mut::<Consumer>() {
            Some(consumer) => f(consumer, session),
            None => Err(SqlError::internal("no consumer in this state")),
        })
    })?;
    result.map_err(|error| match error.state() {
        // The queue is no more: nothing in the script may hold that back.
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => Budget::kill(lua, error),
        _ => mlua::Error::external(error),
    })
}

/// Says what the script waits for.
fn wait(lua: &Lua, until: Option<Duration>) -> mlua::Result<()> {
    with_host(lua, |host| {
        host.rest();
        host.wait = Some(until);
        Ok(())
    })
}

fn options(table: &Table) -> mlua::Result<Wanted> {
    let flag = |name: &str| match table.get::<LuaValue>(name)? {
        LuaValue::Nil => Ok(false),
        LuaValue::Boolean(b) => Ok(b),
        _ => Err(mlua::Error::runtime(format!("bad argument for '{name}'"))),
    };
    let timeout = match table.get::<LuaValue>("register_timeout")? {
        LuaValue::Nil => None,
        value => match crate::script::lua::convert::from_lua_number(&value) {
            Some(ms) if ms > 0.0 => Some(Duration::from_secs_f64((ms / 1000.0).min(1e9))),
            Some(_) => None,
            None => return Err(mlua::Error::runtime("bad argument for 'register_timeout'")),
        },
    };
    Ok(Wanted {
        sequence: flag("with_sequence")?,
        epoch: flag("with_epoch")?,
        tid: flag("with_tid")?,
        register_timeout: timeout,
    })
}

/// Registers, or says what to wait for: (done, registered).
fn try_register(lua: &Lua, till: Option<f64>) -> mlua::Result<(bool, bool)> {
    let look = with_consumer(lua, |consumer, _| consumer.try_take())?;
    let Some(again) = look else {
        Budget::restart(lua);
        return Ok((true, true));
    };
    let till = till.map(|till| Duration::from_secs_f64(till.max(0.0)));
    let now = with_consumer(lua, |consumer, _| Ok(consumer.now()))?;
    if till.is_some_and(|till| now >= till) {
        with_consumer(lua, |consumer, _| {
            consumer.queue.lock().waiters.retain(|seat| seat.ticket != consumer.ticket);
            Ok(())
        })?;
        Budget::restart(lua);
        return Ok((true, false));
    }
    let until = match (again, till) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    wait(lua, until)?;
    Ok((false, false))
}

/// Puts `db:consumer` into a consumer's procedure.
pub(super) fn install(lua: &Lua, db: &Table) -> mlua::Result<()> {
    let begin = lua.create_function(|lua, argument: LuaValue| {
        let wanted = match &argument {
            LuaValue::Nil => Wanted::default(),
            LuaValue::Table(table) => options(table)?,
            _ => return Err(mlua::Error::runtime("bad argument to 'consumer' (table expected)")),
        };
        with_consumer(lua, |consumer, session| {
            session.check_watched(&consumer.party.def)?;
            if consumer.registered {
                return Err(SqlError::new(
                    SqlState::new("38000"),
                    format!("consumer:{} already registered", consumer.party.def.name),
                ));
            }
            consumer.wanted = wanted;
            Ok(wanted.register_timeout.map(|timeout| (consumer.now() + timeout).as_secs_f64()))
        })
    })?;
    let register = lua.create_function(|lua, till: Option<f64>| {
        let (done, registered) = try_register(lua, till)?;
        if registered {
            with_consumer(lua, |consumer, _| {
                consumer.registered = true;
                Ok(())
            })?;
        }
        Ok((done, registered))
    })?;
    // Until when to wait for the queue again after a hand-over: as long as at first.
    let again = lua.create_function(|lua, ()| {
        with_consumer(lua, |consumer, _| {
            Ok(consumer.wanted.register_timeout.map(|timeout| (consumer.now() + timeout).as_secs_f64()))
        })
    })?;
    // (true, event or nil) at its end; (false, true) when the queue is another client's; (false, nil): wait.
    let look = lua.create_function(|lua, (till, waits): (Option<f64>, bool)| {
        let found = with_consumer(lua, |consumer, session| {
            if !consumer.holds()? {
                return Ok(Look::Lost);
            }
            let mut found = consumer.fill()?;
            if !found && waits {
                // The waker stands before the second look, so that no commit falls between.
                let waker = consumer.party.waker.clone();
                consumer.party.consumers.wait(&waker, &consumer.party.def);
                found = consumer.fill()?;
            }
            if found {
                return consumer.table(lua, session).map(Look::Event);
            }
            let till = till.map(|till| Duration::from_secs_f64(till.max(0.0)));
            if !waits || till.is_some_and(|till| consumer.now() >= till) {
                return Ok(Look::Nothing);
            }
            consumer.party.engine.subscriber_status().update(consumer.party.def.id, |status| {
                "waiting".clone_into(&mut status.state);
            });
            Ok(Look::Wait(till))
        })?;
        match found {
            Look::Event(event) => {
                Budget::restart(lua);
                Ok((true, LuaValue::Table(event)))
            }
            Look::Nothing => {
                Budget::restart(lua);
                Ok((true, LuaValue::Nil))
            }
            Look::Lost => Ok((false, LuaValue::Boolean(true))),
            Look::Wait(till) => {
                wait(lua, till)?;
                Ok((false, LuaValue::Nil))
            }
        }
    })?;
    let deadline = lua.create_function(|lua, ms: f64| {
        with_consumer(lua, |consumer, _| Ok(consumer.now().as_secs_f64() + ms.clamp(0.0, 1e12) / 1000.0))
    })?;
    let consume = lua.create_function(|lua, _: MultiValue| {
        let marked = with_consumer(lua, |consumer, _| Ok(consumer.mark()))?;
        if !marked {
            return Ok(-1);
        }
        let result = with_host(lua, |host| Ok(if host.explicit { Ok(()) } else { host.commit() }))?;
        result.map(|()| 0).map_err(mlua::Error::external)
    })?;
    let next = lua.create_function(|lua, _: MultiValue| {
        with_host(lua, |host| {
            if !host.explicit {
                return Err(mlua::Error::external(SqlError::new(
                    SqlState::NO_ACTIVE_SQL_TRANSACTION,
                    "missing transaction for next",
                )));
            }
            if let Some(consumer) = host.consumer.as_mut().and_then(|any| any.as_any().downcast_mut::<Consumer>()) {
                consumer.mark();
            }
            Ok(0)
        })
    })?;
    let emit_timeout = lua.create_function(|lua, (_, ms): (LuaValue, Option<f64>)| {
        let Some(ms) = ms.filter(|ms| !ms.is_nan()) else {
            return Err(mlua::Error::runtime("bad argument to 'emit_timeout' (number expected)"));
        };
        if ms < 0.0 {
            return Ok(-1);
        }
        with_consumer(lua, |consumer, _| {
            consumer.emit_timeout =
                if ms == 0.0 { Duration::MAX } else { Duration::from_secs_f64((ms / 1000.0).min(1e9)) };
            Ok(0)
        })
    })?;
    let offered = lua.create_function(|lua, ()| {
        with_consumer(lua, |consumer, _| {
            let now = consumer.now();
            let wakers = {
                let mut queue = consumer.queue.lock();
                if queue.holder.as_ref().is_some_and(|seat| seat.ticket == consumer.ticket) {
                    queue.emitting = Some((now, consumer.emit_timeout));
                }
                // Who waits learns from when on it may take over.
                queue.waiters.front().map(|seat| seat.waker.clone())
            };
            if let Some(waker) = wakers {
                waker();
            }
            consumer.report();
            Ok(())
        })
    })?;
    let asked = lua.create_function(|lua, ()| {
        Budget::restart(lua);
        with_consumer(lua, |consumer, _| {
            let mut queue = consumer.queue.lock();
            if queue.dropped {
                drop(queue);
                return Err(consumer.dropped());
            }
            if queue.holder.as_ref().is_some_and(|seat| seat.ticket == consumer.ticket) {
                queue.emitting = None;
            }
            drop(queue);
            consumer.report();
            Ok(0)
        })
    })?;
    let emit = blocking_emit(lua, offered, asked)?;
    if with_consumer(lua, |consumer, _| Ok(super::is_default(&consumer.party.def)))? {
        let watched = lua.create_function(|lua, _: MultiValue| {
            let columns = with_consumer(lua, |consumer, _| {
                let catalogs = consumer.party.engine.catalogs();
                let catalog = catalogs.database(consumer.party.database).ok_or_else(|| consumer.dropped())?;
                let def = catalog.trigger(consumer.party.def.id).ok_or_else(|| consumer.dropped())?;
                Ok(super::default::watched(catalog, def))
            })?;
            columns
                .into_iter()
                .map(|(name, ty)| lua.create_sequence_from([name.as_str(), ty]))
                .collect::<mlua::Result<Vec<_>>>()
        })?;
        db.raw_set("watched", watched)?;
    }
    // Threads are for ordinary procedures (CDB-1033).
    db.raw_set("create_thread", LuaValue::Nil)?;
    lua.load(API).set_name("=api").call::<()>((
        db,
        token(lua)?,
        yielder(lua)?,
        begin,
        register,
        again,
        look,
        deadline,
        consume,
        next,
        emit_timeout,
        emit,
    ))
}

const API: &str = "
local db, token, yield, begin, register, again, look, deadline, consume, next, emit_timeout, emit = ...
local tonumber, error = tonumber, error
local function acquire(till)
  while true do
    local done, registered = register(till)
    if done then return registered end
    yield(token)
  end
end
local function find(till, waits)
  while true do
    local done, found = look(till, waits)
    if done then return found end
    if not found then yield(token)
    elseif not acquire(again()) then error('register timeout', 0) end
  end
end
local methods = {
  get = function() return find(nil, true) end,
  poll = function(_, ms)
    ms = tonumber(ms)
    if not ms then error(\"bad argument to 'poll' (number expected)\", 2) end
    if not (ms > 0) then return find(nil, false) end
    return find(deadline(ms), true)
  end,
  consume = consume,
  next = next,
  emit_timeout = emit_timeout,
  emit = emit,
}
function db:consumer(options)
  local till = begin(options)
  if not acquire(till) then return nil end
  return methods
end
";
