//! The server binary: arguments → settings → run. What it does lives in the library.

use std::process::ExitCode;
use std::time::Duration;

use tripline_proxy::config::{self, Action, Config, LoadError};
use tripline_proxy::{STACK_BYTES, StartError, demo, log, run};

// Stands in for the C library's `malloc` and `free`, which do not ask for the size of what is given back: LuaJIT gives a
// function whose creation failed for want of memory back with a size that is not its own, which an allocator of Rust's
// (`#[global_allocator]`) would have to believe.
use tikv_jemallocator as _;

fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let loaded = match config::load(std::env::args(), &env, &|path| std::fs::read_to_string(path)) {
        Ok(loaded) => loaded,
        Err(LoadError::Arguments(error)) => {
            // Help and version come this way too, and are no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(LoadError::Config(error)) => return failed(&error),
    };
    if loaded.action == Action::CheckConfig {
        print!("{}", config::describe(&loaded));
        return ExitCode::SUCCESS;
    }
    if let Err(error) = log::start(&loaded.config) {
        return failed(&error);
    }
    match serve(loaded.action, loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn serve(action: Action, config: Config) -> Result<(), StartError> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let threads = if config.worker_threads == 0 { cores.max(2) } else { config.worker_threads };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("tripline")
        .thread_stack_size(STACK_BYTES)
        // Answers that waited for the disk are woken from the log's thread and queue there: not behind all other work.
        .global_queue_interval(1)
        .enable_all()
        .build()
        .map_err(|error| StartError::Io("runtime".to_owned(), error))?;
    let served = runtime.block_on(async {
        // Installed before the first port is bound, so that no signal is missed.
        let shutdown = stop_signal().map_err(|error| StartError::Io("signals".to_owned(), error))?;
        match action {
            Action::Demo { exit, data_dir_given } => demo(config, exit, data_dir_given, shutdown).await,
            Action::Serve | Action::CheckConfig => run(config, shutdown).await,
        }
    });
    // A session that still blocks its thread does not keep the process: its transaction never committed.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// A future that is ready at SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("tripline: {error}");
    ExitCode::FAILURE
}
