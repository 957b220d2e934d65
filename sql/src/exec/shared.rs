//! What the sessions of one engine share: the store, the registry of sessions, the notification bus.
//!
//! A session is reached from outside only through its `Control`: flags that it looks at by itself, and its mailbox.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::catalog::TriggerId;
use crate::change::{CommitNo, Hooks, Position};
use crate::env::{Env, UnixMicros};
use crate::error::{Result, SqlError, SqlState};
use crate::store::{ExportedSnapshot, Store};
use crate::types::Oid;

/// Called when a notification, a terminate request or similar waits for an idle session. Must not block.
pub trait Mailbox: Send + Sync {
    /// Wakes whoever waits for the client.
    fn wake(&self);
}

/// A notification for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Backend pid of the sender.
    pub pid: i32,
    /// Channel.
    pub channel: String,
    /// Payload.
    pub payload: String,
}

/// What a connection's TLS handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// As OpenSSL calls it: `TLSv1.3`.
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Bits of its key.
    pub bits: i32,
}

/// A session as others see it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Backend pid.
    pub pid: i32,
    /// Role name.
    pub user: String,
    /// Database name.
    pub database: String,
    /// application_name.
    pub application_name: String,
    /// Address of the client: `host:port`; anything else has come by other ways than TCP.
    pub client_address: String,
    /// Address that it connected to, if it came over TCP.
    pub server_address: Option<SocketAddr>,
    /// How its connection is encrypted, if it is.
    pub tls: Option<TlsInfo>,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: String,
    /// The statement that runs, or ran last.
    pub query: String,
    /// When the session began.
    pub started_at: UnixMicros,
    /// When `query` began.
    pub query_started_at: UnixMicros,
    /// When `state` changed last.
    pub state_changed_at: UnixMicros,
    /// When the transaction began, if there is one.
    pub transaction_started_at: Option<UnixMicros>,
    /// A subscriber's.
    pub internal: bool,
}

/// State of one subscriber, as `tripline.subscriptions` shows it.
#[derive(Clone, Debug, Default)]
pub struct SubscriberState {
    /// `running`, `waiting`, `failed`, `disabled` …
    pub state: String,
    /// Attempts at the current entry.
    pub attempts: u64,
    /// Last error, if the last attempt failed.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<UnixMicros>,
    /// Entries handled since the server started.
    pub delivered: u64,
    /// Of a relay: messages given up because the receiver was not there, or too slow.
    pub dropped: u64,
    /// Of a relay: messages that the receiver refused.
    pub rejected: u64,
    /// Where it stands.
    pub position: Option<Position>,
    /// Process of the client that consumes it, where clients do.
    pub holder: Option<i32>,
    /// Clients that wait for it.
    pub waiters: u64,
}

/// States of all subscribers: written by the feed, read by the system views.
#[derive(Debug, Default)]
pub struct SubscriberStatus {
    states: RwLock<HashMap<TriggerId, SubscriberState>>,
}

impl SubscriberStatus {
    /// Sets a subscriber's state.
    pub fn set(&self, subscriber: TriggerId, state: SubscriberState) {
        self.states.write().insert(subscriber, state);
    }

    /// Changes a subscriber's state in place, from the default if it has none.
    pub fn update(&self, subscriber: TriggerId, change: impl FnOnce(&mut SubscriberState)) {
        change(self.states.write().entry(subscriber).or_default());
    }

    /// Forgets a subscriber.
    pub fn remove(&self, subscriber: TriggerId) {
        self.states.write().remove(&subscriber);
    }

    /// A subscriber's state.
    #[must_use]
    pub fn get(&self, subscriber: TriggerId) -> Option<SubscriberState> {
        self.states.read().get(&subscriber).cloned()
    }

    /// All states, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<(TriggerId, SubscriberState)> {
        self.states.read().iter().map(|(id, state)| (*id, state.clone())).collect()
    }
}

/// The outside's handle on a session.
pub struct Control {
    /// Backend pid.
    pub pid: i32,
    /// Secret for CancelRequest.
    pub secret: [u8; 32],
    /// Ends the running statement with 57014.
    pub cancel: Arc<AtomicBool>,
    /// The session should end: 1 = terminated, 2 = its notification queue overflowed.
    pub terminate: AtomicI32,
    /// Whether a statement runs.
    pub active: AtomicBool,
    /// Who to wake when it is idle.
    pub mailbox: Option<Arc<dyn Mailbox>>,
    /// Notifications that wait.
    pub notifications: Mutex<VecDeque<Notification>>,
    /// What others see.
    pub info: Mutex<SessionInfo>,
}

impl Control {
    /// Wakes the session's front end.
    pub fn wake(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.wake();
        }
    }
}

/// Snapshots by the names that pg_export_snapshot gave them (PG-153).
#[derive(Debug, Default)]
pub struct ExportedSnapshots {
    by_name: Mutex<HashMap<String, ExportedSnapshot>>,
    next: AtomicU64,
}

impl ExportedSnapshots {
    /// Gives a snapshot of a session its name, in the form that PostgreSQL gives it. Those whose transactions have ended
    /// go.
    pub fn add(&self, pid: i32, snapshot: ExportedSnapshot) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{pid:08X}-{:08X}-{number}", snapshot.commit().0);
        let mut by_name = self.by_name.lock();
        by_name.retain(|_, other| other.is_held());
        by_name.insert(name.clone(), snapshot);
        name
    }

    /// The snapshot of this name, whether or not its transaction still runs.
    pub fn find(&self, name: &str) -> Option<ExportedSnapshot> {
        self.by_name.lock().get(name).cloned()
    }
}

/// What the sessions of one engine share.
pub struct Shared {
    /// The store.
    pub store: Store,
    /// Time, chance, waiting.
    pub env: Env,
    /// The trigger layer.
    pub hooks: Arc<dyn Hooks>,
    /// Server-wide defaults of settings.
    pub settings: Vec<(String, String)>,
    /// Id of this instance among those that relay to each other (the setting tripline.instance); 0: none.
    pub instance: u64,
    /// Deepest nesting of trigger writes.
    pub trigger_depth_max: u32,
    /// Sessions at one time, internal ones not counted.
    pub max_connections: u32,
    /// Most notifications that wait for one session (PG-176).
    pub notify_queue_max: u32,
    /// Sessions by pid.
    pub sessions: RwLock<HashMap<i32, Arc<Control>>>,
    /// (database, channel) → pids that listen.
    pub listeners: RwLock<HashMap<(Oid, String), Vec<i32>>>,
    /// Held from before a commit that sends notifications until they are in the queues: their order is the commits'.
    pub notify_order: Mutex<()>,
    /// States of subscribers.
    pub status: Arc<SubscriberStatus>,
    /// What waits for subscribers.
    pub backlogs: super::Backlogs,
    /// Snapshots that transactions have exported.
    pub snapshots: ExportedSnapshots,
    /// Newest commit known to have changed the catalog.
    pub catalog_commit: AtomicU64,
    next_pid: AtomicI32,
}

impl Shared {
    /// What the sessions of a fresh engine share.
    pub fn new(
        store: Store,
        env: Env,
        hooks: Arc<dyn Hooks>,
        settings: Vec<(String, String)>,
        trigger_depth_max: u32,
        max_connections: u32,
        notify_queue_max: u32,
    ) -> Shared {
        let instance = settings.iter().rev().find(|(name, _)| name == "tripline.instance");
        Shared {
            store,
            env,
            hooks,
            instance: instance.and_then(|(_, id)| id.parse().ok()).unwrap_or(0),
            settings,
            trigger_depth_max,
            max_connections,
            notify_queue_max,
            sessions: RwLock::default(),
            listeners: RwLock::default(),
            notify_order: Mutex::new(()),
            status: Arc::default(),
            backlogs: super::Backlogs::default(),
            snapshots: ExportedSnapshots::default(),
            catalog_commit: AtomicU64::new(0),
            next_pid: AtomicI32::new(0),
        }
    }

    /// Registers a session; its role may have so many at most, negative: any number. Errors: 53300.
    pub fn register(
        &self,
        mailbox: Option<Arc<dyn Mailbox>>,
        info: SessionInfo,
        role_limit: i32,
    ) -> Result<Arc<Control>> {
        let mut secret = [0; 32];
        self.env.rng.fill(&mut secret);
        let mut sessions = self.sessions.write();
        if !info.internal {
            let counted = sessions.values().filter(|control| !control.info.lock().internal).count();
            if counted >= self.max_connections as usize {
                return Err(SqlError::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already").fatal());
            }
            if let Ok(limit) = usize::try_from(role_limit) {
                let own = |control: &&Arc<Control>| {
                    let other = control.info.lock();
                    !other.internal && other.user == info.user
                };
                if sessions.values().filter(own).count() >= limit {
                    let message = format!("too many connections for role \"{}\"", info.user);
                    return Err(SqlError::new(SqlState::TOO_MANY_CONNECTIONS, message).fatal());
                }
            }
        }
        let pid = loop {
            let pid = self.next_pid.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if pid > 0 && !sessions.contains_key(&pid) {
                break pid;
            }
        };
        let control = Arc::new(Control {
            pid,
            secret,
            cancel: Arc::default(),
            terminate: AtomicI32::new(0),
            active: AtomicBool::new(false),
            mailbox,
            notifications: Mutex::default(),
            info: Mutex::new(SessionInfo { pid, ..info }),
        });
        sessions.insert(pid, control.clone());
        Ok(control)
    }

    /// Forgets a session and what it listens to.
    pub fn unregister(&self, pid: i32) {
        self.sessions.write().remove(&pid);
        let mut listeners = self.listeners.write();
        listeners.retain(|_, pids| {
            pids.retain(|other| *other != pid);
            !pids.is_empty()
        });
    }

    /// Cancels the statement that runs in a session; false if there is no such session.
    pub fn cancel(&self, pid: i32, secret: Option<&[u8]>) -> bool {
        let sessions = self.sessions.read();
        let Some(control) = sessions.get(&pid) else { return false };
        if let Some(secret) = secret {
            if secret.len() < 4 || !control.secret.starts_with(secret) {
                return false;
            }
        }
        if control.active.load(Ordering::SeqCst) {
            control.cancel.store(true, Ordering::SeqCst);
            // A procedure that waits has no thread that would look at the flag.
            control.wake();
            self.store.interrupt(pid);
        }
        true
    }

    /// Asks a session to end; false if there is no such session.
    pub fn terminate(&self, pid: i32) -> bool {
        let sessions = self.sessions.read();
        let Some(control) = sessions.get(&pid) else { return false };
        control.terminate.store(1, Ordering::SeqCst);
        control.cancel.store(true, Ordering::SeqCst);
        self.store.interrupt(pid);
        control.wake();
        true
    }

    /// Puts committed notifications into the queues of who listens.
    pub fn deliver(&self, database: Oid, pid: i32, sent: &[(String, String)]) {
        let listeners = self.listeners.read();
        let sessions = self.sessions.read();
        let mut woken: Vec<i32> = Vec::new();
        for (channel, payload) in sent {
            let Some(pids) = listeners.get(&(database, channel.clone())) else { continue };
            for to in pids {
                let Some(control) = sessions.get(to) else { continue };
                let mut queue = control.notifications.lock();
                if queue.len() >= self.notify_queue_max as usize {
                    control.terminate.store(2, Ordering::SeqCst);
                } else {
                    queue.push_back(Notification { pid, channel: channel.clone(), payload: payload.clone() });
                }
                if !woken.contains(to) {
                    woken.push(*to);
                }
            }
        }
        for to in woken {
            if let Some(control) = sessions.get(&to) {
                control.wake();
            }
        }
    }

    /// Number of sessions in a database.
    pub fn sessions_in(&self, database: Oid) -> usize {
        let Some(name) = self.store.catalog().shared.database(database).map(|def| def.name.clone()) else { return 0 };
        self.sessions.read().values().filter(|control| control.info.lock().database == name).count()
    }

    /// Newest commit that is durable.
    pub fn durable(&self) -> CommitNo {
        self.store.durable()
    }
}
