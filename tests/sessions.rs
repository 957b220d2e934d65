//! Several sessions at once: `sessions/**/*.script` on a server with its data in memory and on one with its data on
//! disk; files named `pg_*` also on PostgreSQL 15, which is where their expected output comes from (`TRIPLINE_BLESS=1`
//! writes it anew).

use harness::postgres::Postgres;
use harness::script::{is_of_postgresql, run_file, run_file_at};
use harness::server::{Server, Storage};
use harness::{each_file, walk};

#[test]
fn scripts_hold_in_memory() {
    each_file(walk("sessions", "script"), |file| run_file(file, || Server::start(Storage::Memory)));
}

#[test]
fn scripts_hold_on_disk() {
    each_file(walk("sessions", "script"), |file| run_file(file, || Server::start(Storage::Disk)));
}

#[test]
fn pg_scripts_hold_on_postgresql() {
    let server = Postgres::start(&[("fsync", "off")]).expect("PostgreSQL 15 is installed (./tests/run does it)");
    let mut files = walk("sessions", "script");
    files.retain(|file| is_of_postgresql(file));
    each_file(files, |file| {
        let database = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        server.recreate_database(&database)?;
        run_file_at(file, &server.url_of(&database))
    });
}
