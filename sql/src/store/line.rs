//! Who waits for a row, a strong table lock or an advisory lock, in the order in which they came.
//!
//! Only the first of a line waits for the holder; the others wait for the one before them. Who gets what it stood for
//! leaves the line and hands the next one on to itself: that one sleeps until the new holder lets go, so each change of
//! hands wakes one thread. A lock that is free may be taken past a line that is just waking up, which keeps a hot row
//! busy; but the first, woken in vain often enough, has it reserved, so nobody waits for ever.

use std::collections::VecDeque;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::TableId;
use crate::change::RowId;

use super::outcome::{AdvisoryKey, LockMode, TableLockMode};
use super::owner::{Owner, Parker};

const SHARDS: usize = 64;
/// So often the first of a line is woken in vain before its turn is kept for it. Kept turns are dear on a hot row: until
/// a thread has woken up for its turn nobody has the row.
const VAIN_MAX: u32 = 16;

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spot {
    Row(TableId, RowId),
    Table(TableId),
    Advisory(AdvisoryKey),
}

/// How strong a lock someone stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    Row(LockMode),
    Table(TableLockMode),
}

impl Want {
    fn conflicts(self, other: Want) -> bool {
        match (self, other) {
            (Want::Row(a), Want::Row(b)) => a.conflicts(b),
            (Want::Table(a), Want::Table(b)) => a.conflicts_with(b),
            _ => true,
        }
    }
}

/// One who stands in a line.
#[derive(Debug)]
pub(super) struct Ticket {
    owner: Arc<Owner>,
    want: Want,
    parker: Arc<Parker>,
    /// Whom it waits for while it is the first.
    blocker: Mutex<Option<Arc<Owner>>>,
}

impl Ticket {
    pub(super) fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }

    /// Forgets the wait: it is over.
    pub(super) fn give_up(&self) {
        if let Some(blocker) = self.blocker.lock().take() {
            blocker.forget(&self.parker);
        }
    }
}

#[derive(Debug, Default)]
struct Line {
    tickets: VecDeque<Arc<Ticket>>,
    /// Nobody may go past the first.
    reserved: bool,
}

/// All lines of a store.
#[derive(Debug)]
pub(super) struct Lines {
    shards: Vec<Mutex<HashMap<Spot, Line>>>,
    /// Lines whose first has a reservation.
    reserved: AtomicU64,
}

/// How a wait begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Look again at once.
    Now,
    /// Sleep: for the holder if one is the first, else for those before.
    Sleep,
}

impl Default for Lines {
    fn default() -> Self {
        Lines { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), reserved: AtomicU64::new(0) }
    }
}

impl Lines {
    fn shard(&self, spot: Spot) -> &Mutex<HashMap<Spot, Line>> {
        let mut hasher = DefaultHasher::new();
        spot.hash(&mut hasher);
        &self.shards[usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)]
    }

    /// Joins the end of a line.
    fn join(&self, spot: Spot, owner: &Arc<Owner>, want: Want) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket { owner: owner.clone(), want, parker: Arc::default(), blocker: Mutex::default() });
        self.shard(spot).lock().entry(spot).or_default().tickets.push_back(ticket.clone());
        ticket
    }

    /// Leaves a line; `holder` has got what it stood for, if given.
    fn leave(&self, spot: Spot, ticket: &Arc<Ticket>, holder: Option<&Arc<Owner>>) {
        let mut shard = self.shard(spot).lock();
        let Some(line) = shard.get_mut(&spot) else { return };
        let Some(place) = line.tickets.iter().position(|other| Arc::ptr_eq(other, ticket)) else { return };
        line.tickets.remove(place);
        if place > 0 {
            return;
        }
        if std::mem::take(&mut line.reserved) {
            self.reserved.fetch_sub(1, Ordering::SeqCst);
        }
        let Some(next) = line.tickets.front() else {
            shard.remove(&spot);
            return;
        };
        match holder.filter(|_| next.want.conflicts(ticket.want)) {
            Some(holder) => {
                *next.blocker.lock() = Some(holder.clone());
                holder.wakes(&next.parker);
            }
            None => next.parker.unpark(),
        }
    }

    /// Whether the spot is kept for someone else, who was woken in vain.
    pub(super) fn is_kept(&self, spot: Spot, me: u64) -> bool {
        self.reserved.load(Ordering::SeqCst) > 0 && self.is_kept_now(spot, me)
    }

    #[cold]
    fn is_kept_now(&self, spot: Spot, me: u64) -> bool {
        let shard = self.shard(spot).lock();
        let Some(line) = shard.get(&spot) else { return false };
        line.reserved && line.tickets.front().is_some_and(|first| first.owner.id != me)
    }

    /// Whom those in a line wait for, each behind the others: the holder.
    pub(super) fn holder(&self, spot: Spot) -> Option<Arc<Owner>> {
        let shard = self.shard(spot).lock();
        let first = shard.get(&spot)?.tickets.front()?;
        first.blocker.lock().clone()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().values().map(|line| line.tickets.len()).sum::<usize>()).sum()
    }
}

/// The turn in a row's line of a transaction that stepped aside: ready when it is to try again.
#[derive(Clone, Debug)]
pub struct RowTurn(pub(super) Arc<Parker>);

impl Future for RowTurn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A place in a line, left when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lines: Arc<Lines>,
    pub(super) spot: Spot,
    pub(super) ticket: Arc<Ticket>,
    /// How often it was the first and found someone else in the way.
    vain: AtomicU32,
    left: bool,
}

impl Place {
    pub(super) fn join(lines: &Arc<Lines>, spot: Spot, owner: &Arc<Owner>, want: Want) -> Place {
        let ticket = lines.join(spot, owner, want);
        Place { lines: lines.clone(), spot, ticket, vain: AtomicU32::new(0), left: false }
    }

    /// Before a sleep. `holder`: who was seen in the way, and its epoch then; none if only the line was.
    pub(super) fn prepare(&self, holder: Option<(&Arc<Owner>, u64)>) -> Turn {
        let ticket = &self.ticket;
        ticket.parker.reset();
        let mut shard = self.lines.shard(self.spot).lock();
        let Some(line) = shard.get_mut(&self.spot) else { return Turn::Now };
        if line.tickets.front().is_none_or(|first| !Arc::ptr_eq(first, ticket)) {
            return Turn::Sleep;
        }
        let Some((holder, epoch)) = holder else { return Turn::Now };
        let before = ticket.blocker.lock().replace(holder.clone());
        let other = before.is_some_and(|before| before.id != holder.id);
        let vain = self.vain.fetch_add(u32::from(other), Ordering::Relaxed);
        if other && vain >= VAIN_MAX && !std::mem::replace(&mut line.reserved, true) {
            self.lines.reserved.fetch_add(1, Ordering::SeqCst);
        }
        if holder.register(&ticket.parker, epoch) { Turn::Sleep } else { Turn::Now }
    }

    /// Leaves the line: `holder` has got what it stood for.
    pub(super) fn taken_by(mut self, holder: &Arc<Owner>) {
        self.left = true;
        self.lines.leave(self.spot, &self.ticket, Some(holder));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.left {
            self.ticket.give_up();
            self.lines.leave(self.spot, &self.ticket, None);
        }
    }
}
