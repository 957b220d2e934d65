//! Rows whose time has come: AMI tables with a column `E` lose the rows that have expired (AMI-42).
//!
//! One thread looks twice a second; a database without such tables costs it a look at the catalog. The deletes are
//! ordinary ones, so that `onDeleting` fires and may veto: such a row is asked for again at the next look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tripline_sql::catalog::{Catalog, Reserved, TableDef};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError};
use tripline_sql::types::Value;

use crate::internal;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(400);
/// Stack of the thread: deletes may cascade.
const STACK_BYTES: usize = 64 << 20;

/// The running thread.
pub(crate) struct Sweeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Starts it. Errors: no thread could be made.
    pub(crate) fn start(engine: Engine) -> Result<Sweeper> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let builder = std::thread::Builder::new().name("sweeper".to_owned()).stack_size(STACK_BYTES);
        let thread = builder
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    std::thread::park_timeout(PERIOD);
                    sweep(&engine);
                }
            })
            .map_err(|error| SqlError::internal(format!("no thread for the sweeper: {error}")))?;
        Ok(Sweeper { stop, thread: Some(thread) })
    }

    /// Ends it after the look that it is at.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the sweeper's thread panicked");
            }
        }
    }
}

fn expires(table: &TableDef) -> bool {
    table.dialect == "ami" && (0..table.columns.len()).any(|place| table.reserved(place) == Some(Reserved::Expiry))
}

fn sweep(engine: &Engine) {
    let catalogs = engine.catalogs();
    for catalog in catalogs.databases() {
        for table in catalog.tables().filter(|table| expires(table)) {
            if let Err(error) = sweep_table(engine, catalog, table) {
                // It will be tried again; a lock conflict or a failing trigger is not the sweeper's to repair.
                tracing::warn!(table = %table.name, %error, "expired rows could not be deleted");
            }
        }
    }
}

fn sweep_table(engine: &Engine, catalog: &Catalog, table: &TableDef) -> Result<()> {
    let quoted = table.name.replace('"', "\"\"");
    let now = Value::Int8(engine.env().clock.now().div_euclid(1000));
    internal::run(engine, catalog, &mut |ctx| {
        // A look first: what expires seldom must not write a commit at every look.
        let due = "\"E\" > 0 AND \"E\" <= $1";
        let found =
            ctx.query(&format!("SELECT 1 FROM public.\"{quoted}\" WHERE {due} LIMIT 1"), std::slice::from_ref(&now))?;
        if !found.rows.is_empty() {
            ctx.query(&format!("DELETE FROM public.\"{quoted}\" WHERE {due}"), std::slice::from_ref(&now))?;
        }
        Ok(())
    })
}
