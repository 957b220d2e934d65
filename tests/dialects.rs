//! What the manuals of the dialects say: `dialects/**/*.slt` for statements and their errors, `*.script` for what takes
//! several sessions, time or a restart; on a server with its data in memory and on one with its data on disk.

use harness::server::{Server, Storage};
use harness::{each_file, script, slt, walk};

fn statements_hold(storage: Storage) {
    each_file(walk("dialects", "slt"), |file| slt::run_file(file, &Server::start(storage).url(), "tripline"));
}

#[test]
fn statements_hold_in_memory() {
    statements_hold(Storage::Memory);
}

#[test]
fn statements_hold_on_disk() {
    statements_hold(Storage::Disk);
}

#[test]
fn scripts_hold() {
    each_file(walk("dialects", "script"), |file| script::run_file(file, || Server::start(script::storage(file))));
}
