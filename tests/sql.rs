//! Core SQL as text: `sql/**/*.slt` on a server with its data in memory and on one with its data on disk; files named
//! `pg_*` also on PostgreSQL 15, which is where their expected output comes from (`TRIPLINE_BLESS=1` writes it anew).

use harness::postgres::Postgres;
use harness::server::{Server, Storage};
use harness::{each_file, slt, walk};

#[test]
fn files_hold_in_memory() {
    each_file(walk("sql", "slt"), |file| slt::run_file(file, &Server::start(Storage::Memory).url(), "tripline"));
}

#[test]
fn files_hold_on_disk() {
    each_file(walk("sql", "slt"), |file| slt::run_file(file, &Server::start(Storage::Disk).url(), "tripline"));
}

#[test]
fn pg_files_hold_on_postgresql() {
    let server = Postgres::start(&[("fsync", "off")]).expect("PostgreSQL 15 is installed (./tests/run does it)");
    let mut files = walk("sql", "slt");
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pg_")));
    each_file(files, |file| {
        let database = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        server.recreate_database(&database)?;
        let url = server.url_of(&database);
        if std::env::var("TRIPLINE_BLESS").is_ok() {
            slt::bless_file(file, &url, "postgres")
        } else {
            slt::run_file(file, &url, "postgres")
        }
    });
}
