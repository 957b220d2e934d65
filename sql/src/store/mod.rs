//! Rows and the log of one data directory.
//!
//! Rows live in memory as version chains under row ids; the change log makes them durable; a checkpoint shortens it.
//! The store is synchronous and knows no tokio: a thread that must wait does so inside `Blocker::block`, and waiting
//! for durability is a std future (`DurableWait`).
//!
//! ```text
//! store.rs   Store: open, threads             txn.rs     Txn: isolation, savepoints, commit
//! heap.rs    rows and versions                read.rs write.rs ddl.rs serial.rs   what a Txn does
//! index.rs   from keys to rows                owner.rs   transactions seen from outside; snapshots
//! table.rs   a table; vacuum                  lock.rs line.rs   row, table and advisory locks; waiting
//! record.rs  bytes of a commit                log.rs segment.rs reader.rs   the change log
//! passing.rs cursors that move without one    company.rs when a sync waits for more records
//! disk.rs    the only way to files            checkpoint.rs recover.rs
//! ```
//!
//! Latches are taken in this order: a unique index's stripe, a chunk, then any one of: a tree, a shard of locks or of
//! transactions. The commit mutex comes before those that publishing takes. None is held while waiting for a lock.

mod blocks;
mod checkpoint;
mod company;
mod config;
mod ddl;
mod disk;
mod export;
mod heap;
mod index;
mod line;
mod lock;
mod log;
mod outcome;
mod owner;
mod passing;
mod range;
mod read;
mod reader;
mod record;
mod recover;
mod segment;
mod sequence;
mod serial;
mod standing;
#[allow(clippy::module_inception, reason = "the file of the type Store")]
mod store;
mod table;
#[cfg(test)]
mod tests;
mod txn;
mod write;

pub use config::{
    CursorLag, Gap, KeyExtractor, KeyExtractors, LockInfo, LockObject, Progress, SequenceState, StoreConfig, StoreStats,
};
pub use disk::{Disk, DiskFile, FileDisk, MemDisk};
pub use export::ExportedSnapshot;
pub use line::RowTurn;
pub use lock::SessionLocks;
pub use log::DurableWait;
pub use outcome::{
    AdvisoryKey, CommitOptions, Committed, InsertOutcome, Isolation, LockMode, LockOutcome, Savepoint, Snapshot,
    TableLockMode, TxnOptions, WaitPolicy, WriteOutcome,
};
pub use range::IndexRange;
pub use read::{IndexCursor, ScanCursor};
pub use reader::{LogReader, ReadItem};
pub use standing::{Holder, Standing, StandingCursor};
pub use store::Store;
pub use txn::Txn;
