//! Long polling: readers that wait for new events. One task of the process looks for the feeds that somebody waits for; a reader costs
//! no thread and no query while it waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seoham_model::InstitutionId;
use seoham_store::events::{FeedQuery, FeedRead};
use seoham_store::{Feeds, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Readers that may wait at the same time.
pub const WAITING_MAX: usize = 10_000;
/// Readers of one institution that may wait at the same time.
pub const WAITING_OF_INSTITUTION_MAX: usize = 32;

/// How long the task waits for a signal of the store until it looks anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Minimum time between two looks: what is numbered meanwhile is found together.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// The pause of a reader that was woken by events that it does not ask for.
const AFTER_OTHER_EVENTS: Duration = Duration::from_millis(500);

/// The feeds of a store, for readers of this process. Clones share it.
#[derive(Clone)]
pub struct FeedHub {
    store: Arc<dyn Feeds>,
    waiting: Arc<Mutex<Waiting>>,
    stop: CancellationToken,
}

/// Why a read fails.
#[derive(Debug)]
pub struct TooManyWaiting;

/// The feeds that are waited for.
#[derive(Default)]
struct Waiting {
    readers: usize,
    feeds: HashMap<InstitutionId, WaitedFeed>,
}

struct WaitedFeed {
    /// The number of its last event, as far as the task knows.
    last: watch::Sender<u64>,
    readers: usize,
}

impl FeedHub {
    /// The feeds of `store`, until `stop`: then nobody waits any more.
    pub fn start(store: Arc<dyn Feeds>, stop: CancellationToken) -> Self {
        let hub = Self { store, waiting: Arc::default(), stop };
        let looking = hub.clone();
        tokio::spawn(async move { looking.stop.run_until_cancelled(looking.look()).await });
        hub
    }

    /// Reads events of an institution. If there are none yet for `query`, waits for them for at most `wait`.
    pub async fn read(
        &self,
        institution: InstitutionId,
        mut query: FeedQuery,
        wait: Duration,
    ) -> Result<Result<FeedRead, TooManyWaiting>, StoreError> {
        if wait.is_zero() {
            return self.store.read_feed(institution, query).await.map(Ok);
        }
        let until = Instant::now() + wait;
        let mut passed = false;
        // Before the first read: what is numbered after it is not missed.
        let Some(mut turn) = self.begin(institution) else { return Ok(Err(TooManyWaiting)) };
        loop {
            let read = self.store.read_feed(institution, query.clone()).await?;
            let is_gone = query.after + 1 < read.ends.oldest;
            if !read.page.events.is_empty() || read.page.more || is_gone {
                return Ok(Ok(read));
            }
            // What the reader does not ask for is passed for good.
            query.after = query.after.max(read.page.through);
            let seen = read.ends.last;
            let grown = turn.last.wait_for(|last| *last > seen);
            let is_grown = tokio::select! {
                grown = grown => grown.is_ok(),
                () = tokio::time::sleep_until(until) => false,
                () = self.stop.cancelled() => false,
            };
            if !is_grown {
                return Ok(Ok(read));
            }
            // Events that the reader does not ask for wake it too: they must not make it read all the time.
            if passed {
                tokio::time::sleep(AFTER_OTHER_EVENTS).await;
            }
            passed = true;
        }
    }

    fn begin(&self, institution: InstitutionId) -> Option<Turn> {
        let mut waiting = self.lock();
        let known = waiting.feeds.get(&institution).map_or(0, |feed| feed.readers);
        if waiting.readers >= WAITING_MAX || known >= WAITING_OF_INSTITUTION_MAX {
            return None;
        }
        waiting.readers += 1;
        let new = || WaitedFeed { last: watch::Sender::new(0), readers: 0 };
        let feed = waiting.feeds.entry(institution).or_insert_with(new);
        feed.readers += 1;
        let last = feed.last.subscribe();
        gauge(waiting.readers);
        drop(waiting);
        Some(Turn { waiting: Arc::clone(&self.waiting), institution, last })
    }

    /// Looks for new events of the feeds that are waited for.
    async fn look(&self) {
        loop {
            self.store.wait_for_events(LOOK_ANYWAY).await;
            let institutions: Vec<InstitutionId> = self.lock().feeds.keys().copied().collect();
            if !institutions.is_empty() {
                match self.store.feed_lasts(institutions).await {
                    Ok(lasts) => self.grown(&lasts),
                    Err(error) => {
                        tracing::warn!(%error, "feeds could not be looked at; their readers wait on");
                        tokio::time::sleep(LOOK_ANYWAY).await;
                    }
                }
            }
            tokio::time::sleep(LOOK_AT_MOST_EVERY).await;
        }
    }

    fn grown(&self, lasts: &HashMap<InstitutionId, u64>) {
        let waiting = self.lock();
        for (institution, last) in lasts {
            if let Some(feed) = waiting.feeds.get(institution) {
                feed.last.send_if_modified(|known| {
                    let is_new = *known < *last;
                    *known = (*known).max(*last);
                    is_new
                });
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge")]
fn gauge(readers: usize) {
    metrics::gauge!("seoham_feed_readers_waiting").set(readers as f64);
}

/// A reader that waits, until it is dropped.
struct Turn {
    waiting: Arc<Mutex<Waiting>>,
    institution: InstitutionId,
    last: watch::Receiver<u64>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.readers = waiting.readers.saturating_sub(1);
        gauge(waiting.readers);
        let Some(feed) = waiting.feeds.get_mut(&self.institution) else { return };
        feed.readers -= 1;
        if feed.readers == 0 {
            waiting.feeds.remove(&self.institution);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use seoham_model::{Clock, EventType, UnixSeconds};
    use seoham_store::Result;
    use seoham_store::events::{Event, FeedEnds, FeedPage};
    use tokio::sync::Notify;

    use super::*;

    /// A feed whose events are all refusals.
    #[derive(Default)]
    struct Growing {
        last: AtomicU64,
        grown: Notify,
        reads: AtomicUsize,
        looks: AtomicUsize,
    }

    impl Growing {
        fn grow(&self) {
            self.last.fetch_add(1, Ordering::SeqCst);
            self.grown.notify_one();
        }
    }

    #[async_trait]
    impl Feeds for Growing {
        async fn read_feed(&self, _: InstitutionId, query: FeedQuery) -> Result<FeedRead> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            let last = self.last.load(Ordering::SeqCst);
            let event = |seq| Event {
                seq,
                event_type: EventType::RecipientRefused,
                at: UnixSeconds(1),
                document: None,
                status: None,
                is_fallback: false,
                recorded_at: UnixSeconds(1),
            };
            let is_asked_for = query.types.is_none_or(|types| types.contains(&EventType::RecipientRefused));
            let events = (query.after + 1..=last).filter(|_| is_asked_for).map(event).collect();
            let page = FeedPage { events, through: last.max(query.after), more: false };
            Ok(FeedRead { epoch: 1, ends: FeedEnds { oldest: 1, last }, page })
        }

        async fn feed_lasts(&self, asked: Vec<InstitutionId>) -> Result<HashMap<InstitutionId, u64>> {
            self.looks.fetch_add(1, Ordering::SeqCst);
            let last = self.last.load(Ordering::SeqCst);
            Ok(asked.into_iter().map(|institution| (institution, last)).collect())
        }

        async fn wait_for_events(&self, at_most: Duration) {
            let _ = tokio::time::timeout(at_most, self.grown.notified()).await;
        }
    }

    fn query(after: u64) -> FeedQuery {
        FeedQuery { after, limit: 100, types: None }
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_for_what_comes_and_costs_nothing_meanwhile() {
        let store = Arc::new(Growing::default());
        let hub = FeedHub::start(store.clone(), CancellationToken::new());
        let institution = InstitutionId::generate(&Clock::default());
        let begun = Instant::now();
        let (read, ()) = tokio::join!(hub.read(institution, query(0), LONG), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(store.reads.load(Ordering::SeqCst), 1);
            store.grow();
        });
        let read = read.expect("reads").expect("may wait");
        assert_eq!(read.page.events.len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(11), "it does not wait for its end");
        assert!(hub.lock().feeds.is_empty(), "nobody waits");
        let looks = store.looks.load(Ordering::SeqCst);
        tokio::time::sleep(LONG).await;
        assert_eq!(store.looks.load(Ordering::SeqCst), looks, "nothing is looked for that nobody waits for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_without_events() {
        let store = Arc::new(Growing::default());
        let stop = CancellationToken::new();
        let hub = FeedHub::start(store.clone(), stop.clone());
        let institution = InstitutionId::generate(&Clock::default());
        let begun = Instant::now();
        let read = hub.read(institution, query(0), LONG).await.expect("reads").expect("may wait");
        assert!(read.page.events.is_empty() && begun.elapsed() >= LONG);
        // What is not asked for is passed, and does not end the wait.
        let others = FeedQuery { types: Some([EventType::Read].into()), ..query(0) };
        let (read, ()) = tokio::join!(hub.read(institution, others, LONG), async {
            store.grow();
        });
        let read = read.expect("reads").expect("may wait");
        assert_eq!((read.page.events.len(), read.page.through), (0, 1));
        let begun = Instant::now();
        let (read, ()) = tokio::join!(hub.read(institution, query(1), LONG), async { stop.cancel() });
        assert!(read.expect("reads").expect("may wait").page.events.is_empty());
        assert!(begun.elapsed() < LONG, "a server that ends keeps nobody");
    }

    #[tokio::test(start_paused = true)]
    async fn an_institution_waits_with_a_bound() {
        let hub = FeedHub::start(Arc::new(Growing::default()), CancellationToken::new());
        let institution = InstitutionId::generate(&Clock::default());
        let turns: Vec<Option<Turn>> =
            (0..=WAITING_OF_INSTITUTION_MAX).map(|_| hub.begin(institution)).collect();
        assert_eq!(turns.iter().flatten().count(), WAITING_OF_INSTITUTION_MAX);
        assert!(hub.read(institution, query(0), LONG).await.expect("reads").is_err());
        assert!(hub.read(institution, query(0), Duration::ZERO).await.expect("reads").is_ok());
        drop(turns);
        assert_eq!(hub.lock().readers, 0);
        assert!(hub.begin(institution).is_some());
    }
}
