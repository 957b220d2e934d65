//! Appending to a file past the page cache: what the log writes is synced at once and rarely read again, so a copy in the
//! cache and its write-back are time for nothing.
//!
//! Such writes are of whole blocks at aligned places in memory and on disk. The block in which the last append ended is
//! kept and written again with what follows; behind the end of an append its block is filled up with zeros.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::OFlags;

/// Fits every device's sectors and the page size.
const BLOCK: usize = 4096;

/// The writer of one file.
#[derive(Debug)]
pub(super) struct Direct {
    file: File,
    len: u64,
    /// Where the last append ended, and its last block up to there.
    end: u64,
    tail: Vec<u8>,
    /// Room for blocks, with one more for the alignment.
    space: Vec<u8>,
}

impl Direct {
    /// None where the file system or the system has no such writes.
    pub(super) fn open(file: &File) -> Option<Direct> {
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        // The file may have been renamed since it was opened.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
        let len = direct.metadata().ok()?.len();
        Some(Direct { file: direct, len, end: u64::MAX, tail: Vec::with_capacity(BLOCK), space: Vec::new() })
    }

    /// Writes at an offset; false: not possible there, and nothing was written. `file` is the same file as others use it.
    pub(super) fn append(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let head = usize::try_from(offset % BLOCK as u64).unwrap_or(0);
        let begin = offset - head as u64;
        let filled = head + bytes.len();
        let blocks = filled.next_multiple_of(BLOCK);
        if begin + blocks as u64 > self.len {
            self.end = u64::MAX;
            return Ok(false);
        }
        if self.end != offset {
            self.tail.resize(head, 0);
            file.read_exact_at(&mut self.tail, begin)?;
        }
        self.end = u64::MAX;
        if self.space.len() < blocks + BLOCK {
            self.space.resize(blocks + BLOCK, 0);
        }
        let from = self.space.as_ptr().align_offset(BLOCK);
        let space = &mut self.space[from..from + blocks];
        space[..head].copy_from_slice(&self.tail);
        space[head..filled].copy_from_slice(bytes);
        space[filled..].fill(0);
        match self.file.write_all_at(space, begin) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(false),
            written => written?,
        }
        self.tail.clear();
        self.tail.extend_from_slice(&space[filled - filled % BLOCK..filled]);
        self.end = offset + bytes.len() as u64;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_are_one_text_whatever_their_sizes() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("log");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let len = 16 * BLOCK;
        file.write_all_at(&vec![9; len], 0).unwrap();
        let Some(mut direct) = Direct::open(&file) else { return };
        let mut expected = vec![9; 100];
        for (turn, size) in [1, 63, 4000, 4096, 1, 5000, 91, 4096 * 3 - 7, 7].into_iter().enumerate() {
            let bytes = vec![u8::try_from(turn).unwrap(); size];
            let at = expected.len() as u64;
            if turn == 5 {
                // Someone else has written here since.
                file.write_all_at(&[77], at - 1).unwrap();
                expected[at as usize - 1] = 77;
                direct.end = u64::MAX;
            }
            if !direct.append(&file, &bytes, at).unwrap() {
                return;
            }
            expected.extend_from_slice(&bytes);
            let mut found = vec![0; expected.len()];
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(found == expected, "after {turn}");
        }
        let last = (len - BLOCK + 1) as u64;
        assert!(direct.append(&file, &[1; BLOCK - 1], last).unwrap());
        assert!(!direct.append(&file, &[1], len as u64).unwrap(), "beyond the end of the file");
    }
}
