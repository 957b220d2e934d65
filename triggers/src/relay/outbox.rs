//! `delivery="drop"`: a queue in memory between the subscriber's thread, which never waits, and the task that holds the
//! connection (AMI-156, AMI-157). While there is no connection nothing is queued; what is dropped is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_rustls::rustls::ClientConfig;
use tripline_sql::error::SqlError;
use tripline_sql::types::Value;

use super::client;
use super::options::{Options, Protocol};
use super::plan::{Item, Plan};
use super::postgres;
use super::report::{Failure, Report};
use crate::retry::Backoff;

/// Messages that may wait (AMI-157), and bytes that their values may hold.
const QUEUE_MAX: usize = 100_000;
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Messages sent in one piece, and bytes of their values after which no more are added.
pub(super) const BATCH: usize = 512;
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// How long the queue may still be sent at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Waits between attempts to connect.
pub(super) const RECONNECT: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };

/// A change and how it is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) plan: Arc<Plan>,
    pub(super) item: Item,
}

impl Queued {
    /// Bytes that its values hold.
    pub(super) fn bytes(&self) -> usize {
        let values = self.item.values.iter().chain(&self.item.key);
        values.map(Value::heap_bytes).sum()
    }
}

/// The queue of one trigger.
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    connected: AtomicBool,
    /// Something was queued, or it is the end.
    news: Notify,
    stop: watch::Sender<bool>,
    report: Report,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Queued>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(report: Report) -> Arc<Outbox> {
        Arc::new(Outbox {
            queue: Mutex::default(),
            connected: AtomicBool::new(false),
            news: Notify::new(),
            stop: watch::Sender::new(false),
            report,
        })
    }

    /// Takes a change over, or drops it.
    pub(super) fn push(&self, queued: Queued) {
        let mut queue = self.queue.lock();
        let bytes = queued.bytes();
        let full = queue.waiting.len() >= QUEUE_MAX || (queue.bytes > 0 && queue.bytes + bytes > QUEUE_BYTES_MAX);
        // Looked at under the lock: whoever disconnects empties the queue afterwards.
        if full || !self.connected.load(Ordering::Acquire) {
            drop(queue);
            return self.report.dropped(1);
        }
        queue.bytes += bytes;
        queue.waiting.push_back(queued);
        drop(queue);
        self.news.notify_one();
    }

    /// A change that cannot be put into a message.
    pub(super) fn unsendable(&self, error: &SqlError) {
        self.report.dropped(1);
        self.report.failed(&Failure::Refused(error.to_string()));
    }

    /// Ends the task after what is queued.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        self.news.notify_one();
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    fn take(&self) -> Vec<Queued> {
        let mut queue = self.queue.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(queued) = queue.waiting.pop_front() else { break };
            bytes += queued.bytes();
            batch.push(queued);
        }
        queue.bytes -= bytes;
        batch
    }

    /// The next messages; none: it is the end.
    async fn next(&self) -> Option<Vec<Queued>> {
        loop {
            let batch = self.take();
            if !batch.is_empty() {
                return Some(batch);
            }
            if self.stopped() {
                return None;
            }
            self.news.notified().await;
        }
    }

    fn disconnect(&self) {
        self.connected.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *self.queue.lock()).waiting.len() as u64;
        self.report.dropped(waiting);
    }

    /// Connects, sends, connects again, until the end.
    pub(super) async fn run(self: Arc<Self>, options: Options, tls: Option<Arc<ClientConfig>>, instance: u64) {
        let mut failures = 0;
        while !self.stopped() {
            let served = async {
                match options.protocol {
                    Protocol::Ami => self.serve_ami(&options, tls.clone(), instance).await,
                    Protocol::Postgres => self.serve_postgres(&options, tls.clone(), instance).await,
                }
            };
            // At the end what is queued may be sent for a while, and no longer.
            let mut stop = self.stop.subscribe();
            let ended = async {
                let _ = stop.wait_for(|stop| *stop).await;
                if self.connected.load(Ordering::Acquire) {
                    tokio::time::sleep(LAST_WORDS).await;
                }
            };
            let result = tokio::select! {
                result = served => result,
                () = ended => Ok(()),
            };
            let was_connected = self.connected.load(Ordering::Acquire);
            self.disconnect();
            let Err(failure) = result else { return };
            self.report.failed(&failure);
            failures = if was_connected { 1 } else { failures + 1 };
            let until = tokio::time::Instant::now() + RECONNECT.wait(failures);
            while !self.stopped() && tokio::time::Instant::now() < until {
                let _ = tokio::time::timeout_at(until, self.news.notified()).await;
            }
        }
    }

    async fn serve_ami(&self, options: &Options, tls: Option<Arc<ClientConfig>>, instance: u64) -> Result<(), Failure> {
        let (mut sender, mut answers) = client::connect(options, tls, instance, false).await?;
        self.connected.store(true, Ordering::Release);
        let sent = AtomicU64::new(0);
        let peer = AtomicU64::new(sender.peer);
        // Messages that are being written: lost if the connection is.
        let under_way = AtomicU64::new(0);
        // Answers are read all the time: a receiver that waits for us to take them would stall us both.
        let reading = async {
            loop {
                let answer = answers.next().await?;
                if answer.sequence > sent.load(Ordering::Acquire) {
                    return Err::<(), _>(Failure::Broken(format!(
                        "answer to a message never sent: {}",
                        answer.sequence
                    )));
                }
                if answer.sequence == 0 {
                    if answer.status != 0 {
                        return Err(Failure::Refused(format!("login refused, {}", answer.refusal())));
                    }
                    peer.store(answer.instance.unwrap_or(0), Ordering::Release);
                } else if answer.status != 0 {
                    self.report.rejected(1, &answer.refusal());
                }
            }
        };
        let writing = async {
            let mut out = String::new();
            while let Some(batch) = self.next().await {
                sender.peer = peer.load(Ordering::Acquire);
                let before = sender.sequence;
                for queued in &batch {
                    if !sender.comes_from_peer(queued)
                        && let Err(failure) = sender.put(queued, &mut out)
                    {
                        self.report.rejected(1, failure.text());
                    }
                }
                let count = sender.sequence - before;
                sent.store(sender.sequence, Ordering::Release);
                under_way.store(count, Ordering::Release);
                sender.write(&out).await?;
                under_way.store(0, Ordering::Release);
                self.report.sent(count);
                out.clear();
            }
            Ok(())
        };
        let result = tokio::select! {
            result = reading => result,
            result = writing => result,
        };
        match result {
            Ok(()) => sender.close().await,
            Err(_) => self.report.dropped(under_way.load(Ordering::Acquire)),
        }
        result
    }

    async fn serve_postgres(
        &self,
        options: &Options,
        tls: Option<Arc<ClientConfig>>,
        instance: u64,
    ) -> Result<(), Failure> {
        let mut link = postgres::Link::new(options, tls, instance, None)?;
        link.check().await?;
        self.connected.store(true, Ordering::Release);
        while let Some(batch) = self.next().await {
            match link.apply(&batch).await {
                Ok(applied) => self.applied(&applied),
                Err(Failure::Refused(_)) => {
                    // One of them: each by itself, so that only those are lost that are refused.
                    for (place, queued) in batch.iter().enumerate() {
                        match link.apply(std::slice::from_ref(queued)).await {
                            Ok(applied) => self.applied(&applied),
                            Err(Failure::Refused(why)) => self.report.rejected(1, &why),
                            Err(failure) => {
                                self.report.dropped((batch.len() - place) as u64);
                                return Err(failure);
                            }
                        }
                    }
                }
                Err(failure) => {
                    self.report.dropped(batch.len() as u64);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    fn applied(&self, applied: &postgres::Applied) {
        self.report.sent(applied.changes);
        if applied.missing > 0 {
            self.report.rejected(applied.missing, postgres::MISSING);
        }
    }
}
