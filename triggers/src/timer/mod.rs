//! Timers of AMI (AMI-79): a script that runs by a schedule, in a transaction of its own, with its creator's rights.
//!
//! A timer is a definition without tables. What it keeps between runs (`vars`, when it ran) is in its `Instance`, in
//! memory; `clockwork.rs` runs the timers that are due.

mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use tripline_sql::catalog::{Catalog, TableDef, TriggerDef};
use tripline_sql::change::HookContext;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Value};

use crate::kind::{self, Attachment, Instance, Kind};
use crate::script::Limits;
use crate::script::ami::{Routine, Source, Variables};

pub(crate) use schedule::Schedule;

/// `TriggerDef::kind` of a timer.
pub(crate) const KIND: &str = "timer";

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 946_684_800_000_000;
/// How long a run may take unless the option `timeout` says otherwise.
const TIMEOUT_MS: u64 = 100_000;

/// The kind.
pub struct Timer;

/// What a timer keeps in memory.
pub(crate) struct State {
    variables: Variables,
    /// When it ran last, or was to run; 0 for never.
    pub(crate) last: AtomicI64,
    /// When it is to run; 0 for never.
    pub(crate) next: AtomicI64,
    /// When `__SCHEDULE_TIMER` wants it to run; 0 if it does not.
    pub(crate) wanted: AtomicI64,
    pub(crate) running: AtomicBool,
}

impl Kind for Timer {
    fn name(&self) -> &'static str {
        KIND
    }

    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        let known = ["script", "vars", "onStartupScript", "logging", "timeout", "limit"];
        kind::check_options(&def, &known)?;
        kind::required(&def, "script")?;
        Schedule::parse(&def.body)?;
        if let Some(word) = def.option("logging")
            && !["off", "on", "verbose"].iter().any(|known| word.eq_ignore_ascii_case(known))
        {
            return Err(invalid("logging", word));
        }
        for key in ["timeout", "limit"] {
            if let Some(text) = def.option(key)
                && text.trim().parse::<u64>().is_err()
            {
                return Err(invalid(key, text));
            }
        }
        let catalog = ctx.catalog();
        routine(&def, &catalog)?;
        startup(&def, &catalog)?;
        Ok(def)
    }

    fn starts(&self, def: &TriggerDef) -> bool {
        def.option("onStartupScript").is_some()
    }

    fn started(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        let catalog = ctx.catalog();
        let Some(script) = startup(def, &catalog)? else { return Ok(()) };
        let state = state(def, &catalog, instance)?;
        let context = |error: SqlError| error.context(format!("AMI timer \"{}\" onStartupScript", def.name));
        script.run(ctx, &[], Some(&state.variables), Limits::AMI).map(|_| ()).map_err(context)
    }

    fn attach(
        &self,
        _: &Catalog,
        _: &Arc<TriggerDef>,
        _: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        Ok(None)
    }
}

fn invalid(key: &str, value: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid value \"{value}\" for option {key}"))
}

fn routine(def: &TriggerDef, catalog: &Catalog) -> Result<Routine> {
    let texts = Source {
        option: "script",
        script: kind::required(def, "script")?,
        arguments: "UTC _time",
        variables: def.option("vars").unwrap_or_default(),
    };
    Routine::compile(&texts, catalog)
}

fn startup(def: &TriggerDef, catalog: &Catalog) -> Result<Option<Routine>> {
    let Some(script) = def.option("onStartupScript") else { return Ok(None) };
    let variables = def.option("vars").unwrap_or_default();
    Routine::compile(&Source { option: "onStartupScript", script, arguments: "", variables }, catalog).map(Some)
}

/// What the timer keeps, made at its first use.
pub(crate) fn state(def: &TriggerDef, catalog: &Catalog, instance: &Instance) -> Result<Arc<State>> {
    let mut kept = instance.state.lock();
    if let Some(state) = kept.clone().and_then(|state| state.downcast::<State>().ok()) {
        return Ok(state);
    }
    let state = Arc::new(State {
        variables: routine(def, catalog)?.variables(),
        last: AtomicI64::new(0),
        next: AtomicI64::new(0),
        wanted: AtomicI64::new(0),
        running: AtomicBool::new(false),
    });
    *kept = Some(state.clone());
    Ok(state)
}

/// How long a run may take.
pub(crate) fn timeout(def: &TriggerDef) -> Duration {
    let own = def.option("timeout").and_then(|text| text.trim().parse::<u64>().ok());
    Duration::from_millis(own.filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS))
}

/// Runs the script once. `due` is the time it was scheduled for, in microseconds since 1970.
pub(crate) fn run(ctx: &mut dyn HookContext, def: &TriggerDef, state: &State, due: i64) -> Result<()> {
    let routine = routine(def, &ctx.catalog())?;
    ctx.set_writer(def.id);
    ctx.act_as(def.owner);
    let time = Value::TimestampTz(due - EPOCH);
    debug_assert!(routine.arguments().all(|(_, ty)| ty == DataType::TIMESTAMPTZ));
    let context = |error: SqlError| error.context(format!("AMI timer \"{}\"", def.name));
    routine.run(ctx, &[time], Some(&state.variables), Limits::AMI).map(|_| ()).map_err(context)
}
