//! What is asked of every kind of trigger: order, veto, rollback, failure, several writers, a crash. `triggers/<kind>/`.

use harness::server::Server;
use harness::{each_file, script, walk};

#[test]
fn scripts_hold() {
    each_file(walk("triggers", "script"), |file| script::run_file(file, || Server::start(script::storage(file))));
}
