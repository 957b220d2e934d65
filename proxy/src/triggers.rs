//! Where the trigger layer is plugged in: hooks for the engine, the feed for its subscribers.

use std::sync::Arc;

use tripline_sql::engine::Engine;
use tripline_sql::error::Result;
use tripline_triggers::feed::Feed as Subscribers;
use tripline_triggers::fire::Fire;

/// The triggers that run inside transactions.
pub(crate) fn hooks() -> Arc<Fire> {
    Fire::new()
}

/// The subscribers that follow the change log.
pub(crate) struct Feed(Subscribers);

/// Starts the subscribers. Errors: their threads cannot be started.
pub(crate) fn start_feed(engine: &Engine, fire: Arc<Fire>) -> Result<Feed> {
    Subscribers::start(engine.clone(), fire).map(Feed)
}

impl Feed {
    /// Ends the subscribers and waits for what they are doing.
    pub(crate) async fn stop(self) {
        let mut subscribers = self.0;
        let _ = tokio::task::spawn_blocking(move || subscribers.stop()).await;
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}
