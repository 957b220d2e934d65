//! What the tests stand on: a server on a free port, `.slt` files, session scripts, and PostgreSQL to compare with.
//!
//! Text files are the tests; this crate only walks folders and runs what it finds. Nothing here knows what is right.

pub mod direct;
pub mod disk;
pub mod postgres;
pub mod raw;
pub mod script;
pub mod server;
pub mod slt;

use std::path::{Path, PathBuf};

/// The folder `tests/`.
#[must_use]
pub fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// All files below `folder` (relative to `tests/`) whose name ends in `.extension`, sorted. An empty folder fails: a
/// test that walks nothing proves nothing.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn walk(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn visit(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                visit(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(&tests_dir().join(folder), extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no .{extension} file below tests/{folder}");
    found
}

/// Runs `check` on each file, prints a line per file, and fails at the end with all that failed. `TRIPLINE_TEST=text`
/// keeps the files whose path contains the text.
///
/// # Panics
/// If a check fails.
pub fn each_file(files: Vec<PathBuf>, mut check: impl FnMut(&Path) -> Result<(), String>) {
    let filter = std::env::var("TRIPLINE_TEST").unwrap_or_default();
    let mut failures = Vec::new();
    for file in files {
        let name = file.strip_prefix(tests_dir()).unwrap_or(&file).display().to_string();
        if !name.contains(&filter) {
            continue;
        }
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&file))) {
            Ok(Ok(())) => println!("ok {name}"),
            Ok(Err(why)) => failures.push(format!("{name}: {why}")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                failures.push(format!("{name}: panicked: {}", text.unwrap_or_default()));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// A certificate for this machine, and its key, in files of a temporary directory: `cert.pem` and `key.pem`.
///
/// # Panics
/// If they cannot be made.
#[must_use]
pub fn certificate() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    directory
}
