//! Messages that are handed over together, and the two ways to send them.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use super::Sent;
use crate::message::Message;

/// Messages that are handed over together.
pub struct Batch {
    /// Identifies the hand-over: the same on every attempt.
    pub id: String,
    /// The messages.
    pub messages: Vec<Message>,
    /// No message is started after this moment.
    pub start_by: Instant,
    /// No message is started after this.
    pub stop: CancellationToken,
}

impl Batch {
    /// Whether another message may be started.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.start_by && !self.stop.is_cancelled()
    }
}

/// Sends the messages of a batch one by one, `at_once` of them at the same time.
pub fn one_by_one<'a, F>(
    batch: &'a Batch,
    at_once: usize,
    send: impl Fn(&'a Message) -> F + Send + 'a,
) -> BoxStream<'a, (usize, Sent)>
where
    F: Future<Output = Sent> + Send + 'a,
{
    futures_util::stream::iter(batch.messages.iter().enumerate())
        .map(move |(place, message)| {
            let sending = batch.goes_on().then(|| send(message));
            async move {
                match sending {
                    Some(sending) => (place, sending.await),
                    None => (place, Sent::NotSent),
                }
            }
        })
        .buffer_unordered(at_once)
        .boxed()
}

/// Sends the messages of a batch in one call, which answers for each of them.
pub fn in_one_call<'a>(
    batch: &'a Batch,
    call: impl Future<Output = Vec<Sent>> + Send + 'a,
) -> BoxStream<'a, (usize, Sent)> {
    let call = async move {
        if !batch.goes_on() {
            return vec![Sent::NotSent; batch.messages.len()];
        }
        call.await
    };
    futures_util::stream::once(call)
        .flat_map(|sent| futures_util::stream::iter(sent.into_iter().enumerate()))
        .boxed()
}
