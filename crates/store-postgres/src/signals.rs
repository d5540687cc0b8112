//! Notifications between nodes. A node that misses one finds out by polling a little later.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use seoham_model::Clock;
use seoham_store::Mode;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::connect::Connector;
use crate::session::Session;

const WORK: &str = "seoham_work";
const CLOCK: &str = "seoham_clock";
const EVENTS: &str = "seoham_events";

/// Minimum time between two NOTIFYs. A NOTIFY serializes all commits of the database, so it is rate limited and never
/// part of an acceptance.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// How often to poll a sandbox's clock, in addition to notifications.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Signals {
    /// Wakes workers of this node.
    arrived: Notify,
    /// Wakes what waits for events on this node.
    numbered: Notify,
    /// Wakes the task that notifies the other nodes.
    outgoing: Arc<Notify>,
    pool: Pool,
}

impl Signals {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { arrived: Notify::new(), numbered: Notify::new(), outgoing: Arc::default(), pool }
    }

    /// Announces new work: wakes a worker here, and one on another node.
    pub(crate) fn work_arrived(&self) {
        self.arrived.notify_one();
        self.outgoing.notify_one();
    }

    /// Wakes a worker of this node.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    pub(crate) async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.arrived.notified()).await;
    }

    /// New events were numbered, on this node or another.
    pub(crate) fn events_numbered(&self) {
        self.numbered.notify_one();
    }

    pub(crate) async fn wait_for_events(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.numbered.notified()).await;
    }

    /// Notifies the other nodes that the clock was advanced. They also poll.
    pub(crate) async fn clock_moved(&self) {
        if let Ok(session) = Session::from(&self.pool).await {
            let _ = session.query("SELECT pg_notify('seoham_clock', '')", &[]).await;
        }
    }

    /// Starts notifying and listening, until `stop`.
    pub(crate) fn start(
        self: &Arc<Self>,
        connector: &Connector,
        clock: &Clock,
        mode: Mode,
        stop: &CancellationToken,
    ) {
        let notifying = Arc::clone(self).notify_work(stop.clone());
        tokio::spawn(notifying);
        tokio::spawn(Arc::clone(self).listen(connector.clone(), clock.clone(), mode, stop.clone()));
    }

    async fn notify_work(self: Arc<Self>, stop: CancellationToken) {
        let notifying = async {
            loop {
                self.outgoing.notified().await;
                if let Ok(session) = Session::from(&self.pool).await {
                    // A node that misses it polls soon.
                    let _ = session.query("SELECT pg_notify('seoham_work', '')", &[]).await;
                }
                tokio::time::sleep(AT_MOST_EVERY).await;
            }
        };
        stop.run_until_cancelled(notifying).await;
    }

    async fn listen(
        self: Arc<Self>,
        connector: Connector,
        clock: Clock,
        mode: Mode,
        stop: CancellationToken,
    ) {
        let listening = async {
            loop {
                if let Err(error) = self.hear(&connector, &clock, mode).await {
                    tracing::debug!(%error, "listening to the database broke off");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        stop.run_until_cancelled(listening).await;
    }

    /// Listens on its own connection until it breaks.
    async fn hear(
        &self,
        connector: &Connector,
        clock: &Clock,
        mode: Mode,
    ) -> Result<(), tokio_postgres::Error> {
        let (client, mut connection) = connector.connect().await?;
        let mut messages = poll_fn(move |context| connection.poll_message(context));
        let clock_moved = Notify::new();
        let reading = async {
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message? {
                    match notification.channel() {
                        CLOCK => clock_moved.notify_one(),
                        EVENTS => self.events_numbered(),
                        _ => self.wake(),
                    }
                }
            }
            Ok(())
        };
        let acting = async {
            client.batch_execute(&format!("LISTEN {WORK}; LISTEN {CLOCK}; LISTEN {EVENTS}")).await?;
            follow(&client, clock).await?;
            loop {
                let heard = tokio::time::timeout(LOOK_EVERY, clock_moved.notified()).await.is_ok();
                if mode == Mode::Sandbox {
                    follow(&client, clock).await?;
                }
                if heard {
                    self.wake();
                }
            }
        };
        tokio::select! {
            ended = reading => ended,
            ended = acting => ended,
        }
    }
}

async fn follow(client: &Client, clock: &Clock) -> Result<(), tokio_postgres::Error> {
    let row = client.query_opt(clock::ADVANCED, &[]).await?;
    if let Some(advanced) = row.and_then(|row| row.try_get::<_, i64>(0).ok()) {
        clock.set_advanced_seconds(advanced);
    }
    Ok(())
}
