//! RELAY (AMI-150 to AMI-178, AMI-200 to AMI-204): changes of a table carried to another server after commit, and messages
//! from other servers carried out here.
//!
//! ```text
//! change log → worker → plan: which columns → client: AMI lines        → another server's message port
//!                                           → postgres: statements     → any server of PostgreSQL's protocol
//! message port (proxy) → message: the grammar → apply: O and D → session → the table's triggers, the change log
//! ```
//!
//! A relay never waits in a writer's transaction. Every change knows the instance where it was made, and is not carried
//! back there: so two servers that relay to each other come to rest.

mod apply;
mod bounded;
mod client;
mod dateformat;
pub mod message;
mod options;
mod outbox;
mod plan;
mod postgres;
mod report;
mod tls;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tripline_sql::catalog::{Catalog, TableDef, TriggerDef};
use tripline_sql::change::{CommitNo, HookContext};
use tripline_sql::error::{Result, SqlError, SqlState};

pub use apply::{Outcome, Receiver, UnknownTable};

use self::options::{Delivery, Options, Protocol};
use self::plan::Plan;
use self::worker::{Place, Relay as Running};
use crate::cursor;
use crate::kind::{self, Attachment, Instance, Kind, table_of};

/// The kind.
pub struct Relay;

impl Kind for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn check(&self, ctx: &mut dyn HookContext, mut def: TriggerDef) -> Result<TriggerDef> {
        kind::table_count(&def, def.tables.len() == 1, "one table")?;
        kind::permanent_only(&ctx.catalog(), &def)?;
        let options = Options::of(&def)?;
        let catalog = ctx.catalog();
        let source = match def.tables.first() {
            Some(table) => table_of(&catalog, *table)?,
            None => return Err(SqlError::internal("a relay without its table")),
        };
        let plan = Plan::compile(&def, &source, options.protocol)?;
        if feeds_itself(&options, &plan, ctx.setting("tripline.ami_listen").as_deref()) {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("the relay would feed table \"{}\" with its own changes", source.name),
            )
            .hint("Name another target, or another server."));
        }
        if options.tls {
            tls::config(options.keystore.as_ref())?;
        }
        def.events = vec![plan.trigger_event()];
        def.text = options::without_secrets(&def.text);
        Ok(def)
    }

    fn created(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        begin(ctx, instance, def)
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()> {
        ctx.move_cursor(def.id, None);
        Ok(())
    }

    fn toggled(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        // What happens while it is disabled is no event.
        if def.enabled {
            return begin(ctx, instance, def);
        }
        ctx.move_cursor(def.id, None);
        Ok(())
    }

    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        instance: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        if table.is_some() {
            return Ok(None);
        }
        let running = Running {
            def: def.clone(),
            database: catalog.database,
            options: Options::of(def)?,
            instance: instance.clone(),
        };
        Ok(Some(Attachment::Subscriber(Arc::new(running))))
    }
}

/// Its first change is the first one after this transaction's commit.
fn begin(ctx: &mut dyn HookContext, instance: &Instance, def: &TriggerDef) -> Result<()> {
    let start = cursor::before_creation(CommitNo(instance.created_after.load(Ordering::Relaxed)));
    match Options::of(def)?.delivery {
        Delivery::Durable => ctx.move_cursor(def.id, Some(start)),
        Delivery::Drop => *Place::of(instance).0.lock() = Some(start),
    }
    Ok(())
}

/// Whether messages would come to this server's own port for the very table that they come from (AMI-160).
fn feeds_itself(options: &Options, plan: &Plan, listen: Option<&str>) -> bool {
    let Some(listen) = listen.and_then(|text| text.parse::<SocketAddr>().ok()) else { return false };
    let host = match options.host.as_str() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.trim_matches(['[', ']']).parse::<IpAddr>().ok(),
    };
    let here = host.is_some_and(|host| {
        host == listen.ip() || (host.is_loopback() && (listen.ip().is_loopback() || listen.ip().is_unspecified()))
    });
    options.protocol == Protocol::Ami
        && here
        && options.port == listen.port()
        && plan.target.eq_ignore_ascii_case(&plan.source.name)
}

/// A name as SQL text.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
