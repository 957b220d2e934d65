//! A disk that fails at a chosen call: for the crash suite.
//!
//! `CrashDisk` keeps its files in memory and counts every call that changes them (write, sync, length, name). At the
//! chosen one it fails, and stays failed; `image` then says what the next start would find, by how much was lost. Calls
//! that read are not counted: a machine that only reads loses nothing.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tripline_sql::store::{Disk, DiskFile};

/// Files by name.
pub type Image = BTreeMap<String, Vec<u8>>;

/// What a crash takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process ended (`kill -9`): all that it wrote is there.
    Nothing,
    /// The power went: what was not synced is gone.
    Unsynced,
    /// The power went while the disk was writing: of what was not synced some sectors are there and some are not.
    Torn(u64),
}

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This call and all after it fail: the machine is gone. The write that meets it is done in part.
    Stop,
    /// This one call fails.
    Once,
    /// From here on nothing that needs room succeeds.
    Full,
}

/// A disk in memory with a fault. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct CrashDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: BTreeMap<String, Arc<Mutex<Content>>>,
    durable: BTreeMap<String, Arc<Mutex<Content>>>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    stopped: bool,
    locked: bool,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Where the two differ, at most.
    unsynced: Range<usize>,
}

impl Content {
    fn changed(&mut self, range: Range<usize>) {
        let old = &self.unsynced;
        self.unsynced = if old.is_empty() { range } else { old.start.min(range.start)..old.end.max(range.end) };
    }
}

const SECTOR: usize = 512;

/// What a counted call needs of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Room,
    Nothing,
}

impl State {
    fn call(&mut self, needs: Needs) -> io::Result<()> {
        self.calls += 1;
        if self.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        match self.fault {
            Some((at, Fault::Stop)) if self.calls >= at => {
                self.stopped = true;
                Err(io::Error::other("the machine stops here"))
            }
            Some((at, Fault::Once)) if self.calls == at => Err(io::Error::other("injected failure")),
            Some((at, Fault::Full)) if self.calls >= at && needs == Needs::Room => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.stopped { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }
}

impl CrashDisk {
    /// A disk with these files, all durable, and this fault at the n-th call (the first is 1).
    #[must_use]
    pub fn new(image: &Image, fault: Option<(u64, Fault)>) -> CrashDisk {
        let file = |bytes: &Vec<u8>| {
            Arc::new(Mutex::new(Content { now: bytes.clone(), durable: bytes.clone(), unsynced: 0..0 }))
        };
        let now: BTreeMap<_, _> = image.iter().map(|(name, bytes)| (name.clone(), file(bytes))).collect();
        CrashDisk(Arc::new(Mutex::new(State {
            durable: now.clone(),
            now,
            calls: 0,
            fault,
            stopped: false,
            locked: false,
        })))
    }

    /// Counted calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// Whether the fault was met.
    #[must_use]
    pub fn met_fault(&self) -> bool {
        let state = self.0.lock();
        state.fault.is_some_and(|(at, _)| state.calls >= at)
    }

    /// What the next start finds.
    #[must_use]
    pub fn image(&self, loss: Loss) -> Image {
        let state = self.0.lock();
        let names = if loss == Loss::Nothing { &state.now } else { &state.durable };
        let mut rng = StdRng::seed_from_u64(if let Loss::Torn(seed) = loss { seed } else { 0 });
        let mut image = Image::new();
        for (name, content) in names {
            let content = content.lock();
            let bytes = match loss {
                Loss::Nothing => content.now.clone(),
                Loss::Unsynced => content.durable.clone(),
                Loss::Torn(_) => torn(&content, &mut rng),
            };
            image.insert(name.clone(), bytes);
        }
        image
    }
}

/// The durable bytes with some sectors of the newer ones.
fn torn(content: &Content, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = content.durable.clone();
    for (number, sector) in content.now.chunks(SECTOR).enumerate() {
        let from = number * SECTOR;
        if bytes.get(from..from + sector.len()) != Some(sector) && rng.random_bool(0.5) {
            if bytes.len() < from + sector.len() {
                bytes.resize(from + sector.len(), 0);
            }
            bytes[from..from + sector.len()].copy_from_slice(sector);
        }
    }
    bytes
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Disk for CrashDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.0.lock();
        state.alive()?;
        let content = state.now.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(CrashFile { disk: self.clone(), content }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.call(Needs::Room)?;
        let content = Arc::new(Mutex::new(Content::default()));
        state.now.insert(name.to_owned(), content.clone());
        Ok(Arc::new(CrashFile { disk: self.clone(), content }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Needs::Nothing)?;
        let content = state.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.now.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Needs::Nothing)?;
        state.now.remove(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.alive()?;
        let here = state.now.keys().filter(|name| folder_of(name) == dir);
        Ok(here.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        self.0.lock().alive()
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Needs::Nothing)?;
        let State { now, durable, .. } = &mut *state;
        durable.retain(|name, _| folder_of(name) != dir);
        let here = now.iter().filter(|(name, _)| folder_of(name) == dir);
        durable.extend(here.map(|(name, content)| (name.clone(), content.clone())));
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.0.lock();
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(Lock(self.clone())))
    }

    fn describe(&self, name: &str) -> String {
        name.to_owned()
    }
}

struct Lock(CrashDisk);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.0.lock().locked = false;
    }
}

#[derive(Debug)]
struct CrashFile {
    disk: CrashDisk,
    content: Arc<Mutex<Content>>,
}

impl CrashFile {
    fn put(&self, bytes: &[u8], at: usize) {
        let mut content = self.content.lock();
        if content.now.len() < at + bytes.len() {
            content.now.resize(at + bytes.len(), 0);
        }
        content.now[at..at + bytes.len()].copy_from_slice(bytes);
        content.changed(at..at + bytes.len());
    }
}

impl DiskFile for CrashFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.0.lock().alive()?;
        let content = self.content.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.now.len());
        let n = buffer.len().min(content.now.len() - from);
        buffer[..n].copy_from_slice(&content.now[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let was_alive = self.disk.0.lock().alive().is_ok();
        let grows = at + bytes.len() > self.content.lock().now.len();
        let called = self.disk.0.lock().call(if grows { Needs::Room } else { Needs::Nothing });
        match called {
            Ok(()) => self.put(bytes, at),
            // The write that meets the end of the machine is done in part.
            Err(_) if was_alive => self.put(&bytes[..bytes.len() / 2], at),
            Err(_) => {}
        }
        called
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.0.lock().call(Needs::Nothing)?;
        let mut content = self.content.lock();
        let Content { now, durable, unsynced } = &mut *content;
        durable.resize(now.len(), 0);
        let range = unsynced.start.min(now.len())..unsynced.end.min(now.len());
        durable[range.clone()].copy_from_slice(&now[range]);
        *unsynced = 0..0;
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.0.lock().alive()?;
        Ok(self.content.lock().now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let grows = len > self.content.lock().now.len();
        self.disk.0.lock().call(if grows { Needs::Room } else { Needs::Nothing })?;
        let mut content = self.content.lock();
        let old = content.now.len();
        content.now.resize(len, 0);
        content.changed(old.min(len)..old.max(len));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fault: Option<(u64, Fault)>) -> (CrashDisk, Vec<bool>) {
        let disk = CrashDisk::new(&Image::new(), fault);
        let file = disk.create("log/one").ok();
        let results = vec![
            file.is_some(),
            disk.sync_dir("log").is_ok(),
            file.as_ref().is_some_and(|file| file.write_at(&[1; 1000], 0).is_ok()),
            file.as_ref().is_some_and(|file| file.sync().is_ok()),
            file.as_ref().is_some_and(|file| file.write_at(&[2; 1000], 500).is_ok()),
        ];
        (disk, results)
    }

    #[test]
    fn what_is_not_synced_is_lost_as_the_loss_says() {
        let (disk, results) = written(None);
        assert_eq!((results, disk.calls()), (vec![true; 5], 5));
        assert_eq!(disk.image(Loss::Nothing)["log/one"].len(), 1500);
        assert_eq!(disk.image(Loss::Unsynced)["log/one"], vec![1; 1000]);
        let torn = (0..20).map(|seed| disk.image(Loss::Torn(seed))["log/one"].clone());
        assert!(torn.collect::<std::collections::BTreeSet<_>>().len() > 2);
    }

    #[test]
    fn a_stop_is_final_and_its_write_is_done_in_part() {
        let (disk, results) = written(Some((3, Fault::Stop)));
        assert_eq!(results, [true, true, false, false, false]);
        assert_eq!(disk.image(Loss::Nothing)["log/one"], vec![1; 500]);
        assert_eq!(disk.image(Loss::Unsynced)["log/one"], Vec::<u8>::new());
        assert!(disk.open("log/one").is_err());
        // A name whose directory was not synced is gone.
        assert_eq!(written(Some((2, Fault::Stop))).0.image(Loss::Unsynced), Image::new());
    }

    #[test]
    fn one_failure_or_no_room() {
        assert_eq!(written(Some((4, Fault::Once))).1, [true, true, true, false, true]);
        assert_eq!(written(Some((3, Fault::Full))).1, [true, true, false, true, false]);
    }
}
