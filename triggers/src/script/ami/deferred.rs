//! The part of a trigger's script that waits for the commit (AMI-81): from the first `use ds=… execute …` on.
//!
//! When the script gets there, the path to that statement, the local variables and the row's images are kept with the
//! transaction; its commit hands them to the feed's thread, a rollback forgets them. There the script goes on at that very
//! statement in a transaction of its own, with the rights of the trigger's creator; it can no longer change the row.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tripline_sql::change::HookContext;
use tripline_sql::error::{Result, SqlError};
use tripline_sql::session::Session;
use tripline_sql::types::Row;

use super::interp::{Frame, Resume};
use super::value::Val;
use super::{SCRIPTS, ScriptTrigger};
use crate::kind::DeferredWork;
use crate::script::Limits;

/// Where a script stopped, and what it goes on with.
struct Rest {
    trigger: Arc<ScriptTrigger>,
    script: usize,
    path: Vec<Resume>,
    locals: Vec<Val>,
    old: Row,
    new: Row,
    assigned: Option<Vec<usize>>,
}

/// Keeps the rest of a script for the commit. Errors: 0A000 where nothing runs deferred statements.
pub(super) fn keep(frame: &mut Frame<'_>, trigger: &Arc<ScriptTrigger>, script: usize) -> Result<()> {
    let Some(queue) = trigger.instance.deferred.get().cloned() else {
        return Err(SqlError::unsupported("a deferred statement here"));
    };
    let rest = Rest {
        trigger: trigger.clone(),
        script,
        path: std::mem::take(&mut frame.path),
        locals: frame.locals.clone(),
        old: frame.old.to_vec(),
        new: frame.new.to_vec(),
        assigned: frame.assigned.map(<[usize]>::to_vec),
    };
    let database = frame.context()?.catalog().database;
    let name = trigger.name.clone();
    frame.context()?.on_commit(Box::new(move || {
        let run = Box::new(move |session: &mut Session| rest.run(session));
        if !queue.push(DeferredWork { database, run }) {
            tracing::error!(trigger = %name, "too many deferred statements are waiting; one was dropped");
        }
    }))
}

impl Rest {
    fn run(mut self, session: &mut Session) {
        let result = session.begin_internal(None, None).and_then(|()| {
            let done = session.with_hook_context(&mut |ctx| self.go_on(ctx));
            match done {
                Ok(()) => session.commit_internal().map(|_| ()),
                Err(error) => {
                    session.rollback_internal();
                    Err(error)
                }
            }
        });
        if let Err(error) = result {
            // Logged and counted; the row is long written.
            tracing::warn!(trigger = %self.trigger.name, %error, "a deferred statement failed");
            let event = format!("{} (deferred)", SCRIPTS[self.script].1);
            self.trigger.instance.failed(self.trigger.clock_now(session), event, error);
        }
    }

    fn go_on(&mut self, ctx: &mut dyn HookContext) -> Result<()> {
        let trigger = self.trigger.clone();
        let Some(program) = &trigger.scripts.0[self.script] else { return Ok(()) };
        let writer = ctx.set_writer(trigger.id);
        ctx.act_as(trigger.owner);
        let mut locals = std::mem::take(&mut self.locals);
        let mut frame = Frame::new(&mut locals, Limits::AMI);
        frame.ctx = Some(ctx);
        frame.table = Some(&trigger.table);
        frame.vars = Some(&trigger.vars.values);
        frame.assigned = self.assigned.as_deref();
        frame.old = Cow::Borrowed(&self.old);
        frame.new = Cow::Borrowed(&self.new);
        let result = frame.resume(program, std::mem::take(&mut self.path));
        let line = frame.line;
        drop(frame);
        ctx.set_writer(writer);
        let event = SCRIPTS[self.script].1;
        result
            .map_err(|error| error.context(format!("AMI trigger \"{}\" {event} (deferred), line {line}", trigger.name)))
    }
}

/// One more failed call.
impl crate::kind::Instance {
    pub(crate) fn failed(&self, at: i64, event: String, error: SqlError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock() = Some((at, event, error));
    }
}
