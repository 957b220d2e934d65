//! `Disk`: the store's only way to files, so that a test can lose, tear or refuse what was written.
//!
//! `FileDisk` is a directory of the machine; `MemDisk` keeps everything in memory and, told to crash, forgets what was
//! not synced. Other disks (one that stops at the n-th sync, for one) implement the two traits.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::env::Rng;
use crate::error::{SqlError, SqlState};

use self::direct::Direct;

mod direct;

/// A directory of files, named by paths relative to it with `/` between the parts.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens an existing file for reading and writing. Errors: `NotFound`.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes an empty file, in place of one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, over one of the new name. Durable after `sync_dir`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after `sync_dir`.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names of the files of a directory, without its own; empty if there is none. "" is the root.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Makes a directory if it is not there.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Takes the directory for this process until the result is dropped. Errors: `WouldBlock` if another has it.
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>>;
    /// The name as a person would look for it, for error messages.
    fn describe(&self, name: &str) -> String;
}

/// An open file. All calls take `&self`: the store never writes one place from two threads.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads at an offset, as much as is there up to the buffer's length.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes at an offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// As `write_at`, for what goes on where the last such write ended and is synced next. Up to the end of a block of
    /// 4,096 bytes zeros may follow it.
    fn append_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }
    /// Makes what was written durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Gives a new file this length, with space for it: zeros, written or only promised by the file system.
    fn reserve(&self, len: u64) -> io::Result<()> {
        zero(self, len, &|| ())
    }
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// A directory of the machine.
#[derive(Debug)]
pub struct FileDisk {
    root: PathBuf,
}

impl FileDisk {
    /// The directory, made if it is not there.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<FileDisk> {
        let root = root.into();
        std::fs::create_dir_all(&root)?;
        Ok(FileDisk { root })
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

impl Disk for FileDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile::new(OpenOptions::new().read(true).write(true).open(self.path(name))?)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(name))?;
        Ok(Arc::new(OsFile::new(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.path(dir)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.path(dir))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let path = self.path("lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn describe(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    /// Set up at the first append; none where it cannot be.
    direct: Mutex<Option<Option<Direct>>>,
}

impl OsFile {
    fn new(file: File) -> OsFile {
        OsFile { file, direct: Mutex::default() }
    }
}

/// Longer appends go through the page cache, which writes while it still copies.
const DIRECT_MAX: usize = 1 << 20;

/// Writes zeros from the beginning of a file, each part synced before the next; `pause` is called in between.
pub(super) fn zero<F: DiskFile + ?Sized>(file: &F, len: u64, pause: &dyn Fn()) -> io::Result<()> {
    let zeros = vec![0; 512 << 10];
    let mut at = 0;
    while at < len {
        let n = (len - at).min(zeros.len() as u64);
        file.write_at(&zeros[..usize::try_from(n).unwrap_or(0)], at)?;
        at += n;
        if at < len {
            // Many megabytes at once would keep others from the disk for as long.
            file.sync()?;
            pause();
        }
    }
    Ok(())
}

impl DiskFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn append_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.len() <= DIRECT_MAX {
            let mut direct = self.direct.lock();
            let direct = direct.get_or_insert_with(|| Direct::open(&self.file));
            if let Some(writer) = direct {
                if writer.append(&self.file, bytes, offset)? {
                    return Ok(());
                }
                *direct = None;
            }
        }
        self.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => zero(self, len, &|| ()),
            done => Ok(done?),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

/// A disk in memory that forgets what was not synced when it is told to crash: for tests and for the demo. Clones are
/// the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemDisk(Arc<MemState>);

#[derive(Debug, Default)]
struct MemState {
    names: Mutex<Names>,
    /// Handles and locks of an older generation are dead.
    generation: AtomicU64,
    /// 0 = no limit, else the most bytes that all files may have together, plus one.
    capacity: AtomicU64,
    /// Counts down at each sync; the one that reaches 0 fails, and all after it.
    syncs_left: AtomicU64,
    syncs: AtomicU64,
    /// Whether syncs do not come back.
    hangs: Mutex<bool>,
    works: Condvar,
}

#[derive(Debug, Default)]
struct Names {
    now: BTreeMap<String, Arc<Mutex<Content>>>,
    durable: BTreeMap<String, Arc<Mutex<Content>>>,
    locked: bool,
    dirs: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    dirty: Vec<(usize, usize)>,
}

const SECTOR: usize = 512;

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> MemDisk {
        MemDisk::default()
    }

    /// Loses all that was not synced; open files and the lock are dead from now on.
    pub fn crash(&self) {
        self.crash_with(|_| false);
    }

    /// Like `crash`, but some of the unsynced sectors have reached the disk.
    pub fn crash_torn(&self, rng: &dyn Rng) {
        self.crash_with(|_| rng.next_u64().is_multiple_of(2));
    }

    fn crash_with(&self, mut kept: impl FnMut(usize) -> bool) {
        self.0.generation.fetch_add(1, Ordering::SeqCst);
        let mut names = self.0.names.lock();
        names.now = names.durable.clone();
        names.locked = false;
        for content in names.now.values() {
            let mut content = content.lock();
            let mut survivors = content.durable.clone();
            for (from, to) in std::mem::take(&mut content.dirty) {
                for sector in from / SECTOR..to.div_ceil(SECTOR) {
                    let (start, end) = (from.max(sector * SECTOR), to.min((sector + 1) * SECTOR));
                    if kept(sector) && end <= content.now.len() {
                        if survivors.len() < end {
                            survivors.resize(end, 0);
                        }
                        survivors[start..end].copy_from_slice(&content.now[start..end]);
                    }
                }
            }
            content.now.clone_from(&survivors);
            content.durable = survivors;
        }
    }

    /// From now on writes that would make the files larger than this together fail with `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.capacity.store(bytes.map_or(0, |bytes| bytes + 1), Ordering::SeqCst);
    }

    /// Syncs hang from now on, or go on.
    pub fn hang(&self, hangs: bool) {
        *self.0.hangs.lock() = hangs;
        self.0.works.notify_all();
    }

    /// The `n`-th sync of a file from now fails (1 = the next), and all after it; `None` heals the disk.
    pub fn fail_sync(&self, n: Option<u64>) {
        self.0.syncs_left.store(n.map_or(0, |n| n + 1), Ordering::SeqCst);
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    /// The bytes of a file as they are now.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.0.names.lock().now.get(name).map(|content| content.lock().now.clone())
    }

    /// Sets the bytes of a file, durably: to damage it.
    pub fn set_bytes(&self, name: &str, bytes: Vec<u8>) {
        let mut names = self.0.names.lock();
        let content = Content { durable: bytes.clone(), now: bytes, dirty: Vec::new() };
        let content = Arc::new(Mutex::new(content));
        names.now.insert(name.to_owned(), content.clone());
        names.durable.insert(name.to_owned(), content);
    }

    /// A disk with the same files as they are now, all durable.
    #[must_use]
    pub fn copy(&self) -> MemDisk {
        let copy = MemDisk::new();
        for (name, content) in &self.0.names.lock().now {
            copy.set_bytes(name, content.lock().now.clone());
        }
        copy
    }

    fn handle(&self, content: Arc<Mutex<Content>>) -> Arc<dyn DiskFile> {
        let generation = self.0.generation.load(Ordering::SeqCst);
        Arc::new(MemFile { disk: self.clone(), content, generation })
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for MemDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.0.names.lock().now.get(name).cloned();
        Ok(self.handle(content.ok_or(io::ErrorKind::NotFound)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let content = Arc::new(Mutex::new(Content::default()));
        self.0.names.lock().now.insert(name.to_owned(), content.clone());
        Ok(self.handle(content))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.0.names.lock();
        let content = names.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.now.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.names.lock().now.remove(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let names = self.0.names.lock();
        let here = names.now.keys().filter(|name| parent(name) == dir);
        Ok(here.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.0.names.lock().dirs.insert(dir.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut names = self.0.names.lock();
        names.durable.retain(|name, _| parent(name) != dir);
        let here: Vec<_> = names.now.iter().filter(|(name, _)| parent(name) == dir).collect();
        let here: Vec<_> = here.into_iter().map(|(name, content)| (name.clone(), content.clone())).collect();
        names.durable.extend(here);
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut names = self.0.names.lock();
        if names.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        names.locked = true;
        Ok(Box::new(MemLock { disk: self.clone(), generation: self.0.generation.load(Ordering::SeqCst) }))
    }

    fn describe(&self, name: &str) -> String {
        name.to_owned()
    }
}

struct MemLock {
    disk: MemDisk,
    generation: u64,
}

impl Drop for MemLock {
    fn drop(&mut self) {
        if self.disk.0.generation.load(Ordering::SeqCst) == self.generation {
            self.disk.0.names.lock().locked = false;
        }
    }
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    content: Arc<Mutex<Content>>,
    generation: u64,
}

impl MemFile {
    fn alive(&self) -> io::Result<()> {
        if self.disk.0.generation.load(Ordering::SeqCst) == self.generation {
            return Ok(());
        }
        Err(io::Error::other("the machine has crashed"))
    }

    fn check_room(&self, more: usize) -> io::Result<()> {
        let capacity = self.disk.0.capacity.load(Ordering::SeqCst);
        if capacity == 0 || more == 0 {
            return Ok(());
        }
        let used: usize = self.disk.0.names.lock().now.values().map(|content| content.lock().now.len()).sum();
        if (used + more) as u64 >= capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.alive()?;
        let content = self.content.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.now.len());
        let n = buffer.len().min(content.now.len() - from);
        buffer[..n].copy_from_slice(&content.now[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.alive()?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from + bytes.len();
        let len = self.content.lock().now.len();
        self.check_room(to.saturating_sub(len))?;
        let mut content = self.content.lock();
        if content.now.len() < to {
            content.now.resize(to, 0);
        }
        content.now[from..to].copy_from_slice(bytes);
        content.dirty.push((from, to));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut hangs = self.disk.0.hangs.lock();
        self.disk.0.works.wait_while(&mut hangs, |hangs| *hangs);
        drop(hangs);
        self.alive()?;
        let left = self.disk.0.syncs_left.load(Ordering::SeqCst);
        if left == 2 || left == 1 {
            self.disk.0.syncs_left.store(1, Ordering::SeqCst);
            return Err(io::Error::other("injected failure of a sync"));
        }
        self.disk.0.syncs_left.store(left.saturating_sub(1), Ordering::SeqCst);
        self.disk.0.syncs.fetch_add(1, Ordering::SeqCst);
        let mut content = self.content.lock();
        let content = &mut *content;
        content.durable.resize(content.now.len(), 0);
        for (from, to) in content.dirty.drain(..) {
            let to = to.min(content.now.len());
            if from < to {
                content.durable[from..to].copy_from_slice(&content.now[from..to]);
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.alive()?;
        Ok(self.content.lock().now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alive()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let old = self.content.lock().now.len();
        self.check_room(len.saturating_sub(old))?;
        self.content.lock().now.resize(len, 0);
        Ok(())
    }
}

/// What the client hears of a failed file operation: 53100 for a full disk, else 58030.
pub(super) fn io_error(disk: &dyn Disk, verb: &str, name: &str, error: &io::Error) -> SqlError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let state = if full { SqlState::DISK_FULL } else { SqlState::IO_ERROR };
    SqlError::new(state, format!("could not {verb} file \"{}\": {error}", disk.describe(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsynced_bytes_and_names_are_lost() {
        let disk = MemDisk::new();
        let file = disk.create("a/x").unwrap();
        file.write_at(b"one", 0).unwrap();
        file.sync().unwrap();
        file.write_at(b"two", 3).unwrap();
        disk.sync_dir("a").unwrap();
        disk.create("a/y").unwrap();
        disk.crash();
        assert_eq!(disk.list("a").unwrap(), ["x"]);
        assert_eq!(disk.bytes("a/x").unwrap(), b"one");
        assert!(file.write_at(b"z", 0).is_err());
    }

    #[test]
    fn a_directory_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let held = FileDisk::new(dir.path()).unwrap().lock().unwrap();
        let second = FileDisk::new(dir.path()).unwrap().lock();
        assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(held);
        assert!(FileDisk::new(dir.path()).unwrap().lock().is_ok());
    }
}
