//! Deadlines for request bodies, and draining of rejected ones. A stalled body does not hold resources for
//! long. If a request is rejected before its body is read, the rest of the body is discarded for a while, so
//! that a client that is still sending can read the response instead of a connection reset.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::EXPECT;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

/// How much of a rejected body is drained, and for how long.
const DISCARD_MAX: usize = 16 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// How long a body may take to arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTime {
    /// From the request's head to the body's end.
    pub(crate) whole: Duration,
    /// From one piece to the next.
    pub(crate) piece: Duration,
}

impl BodyTime {
    /// The deadline of a body that began to arrive at `begun` and whose last chunk arrived at `last`.
    fn deadline(self, begun: Instant, last: Instant) -> Instant {
        (begun + self.whole).min(last + self.piece)
    }
}

/// `request` with a body that fails if it does not arrive in `time`, and that is drained if it is dropped
/// before its end.
pub(crate) fn discarding(request: Request, time: BodyTime) -> Request {
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    if bodiless || request.body().is_end_stream() {
        return request;
    }
    let withheld = request.headers().contains_key(EXPECT);
    request.map(|body| {
        let body = body.into_data_stream();
        let begun = Instant::now();
        let until = Box::pin(tokio::time::sleep_until(time.deadline(begun, begun)));
        Body::from_stream(DiscardingBody { body, ended: false, withheld, until, begun, time })
    })
}

/// The body did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct TooSlow;

struct DiscardingBody {
    body: BodyDataStream,
    ended: bool,
    /// The client is waiting for `100 Continue`, which was not sent: no body is in transit, and draining
    /// would request it.
    withheld: bool,
    /// The deadline for the next chunk.
    until: Pin<Box<Sleep>>,
    begun: Instant,
    time: BodyTime,
}

impl Stream for DiscardingBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.withheld = false;
        let Poll::Ready(next) = self.body.poll_next_unpin(context) else {
            ready!(self.until.as_mut().poll(context));
            // Does not wait for the rest either.
            self.ended = true;
            return Poll::Ready(Some(Err(axum::Error::new(TooSlow))));
        };
        self.ended = !matches!(next, Some(Ok(_)));
        if !self.ended {
            let until = self.time.deadline(self.begun, Instant::now());
            self.until.as_mut().reset(until);
        }
        Poll::Ready(next)
    }
}

impl Drop for DiscardingBody {
    fn drop(&mut self) {
        if self.ended || self.withheld || self.body.is_end_stream() {
            return;
        }
        // Without a runtime there is no connection to drain.
        let Ok(runtime) = Handle::try_current() else { return };
        let rest = std::mem::replace(&mut self.body, Body::empty().into_data_stream());
        runtime.spawn(discard_rest(rest, DISCARD_TIME));
    }
}

async fn discard_rest(mut rest: BodyDataStream, time: Duration) {
    let taking = async {
        let mut taken = 0;
        while let Some(Ok(chunk)) = rest.next().await {
            taken += chunk.len();
            if taken > DISCARD_MAX {
                break;
            }
        }
    };
    // The result does not matter: nothing waits for it.
    let _ = tokio::time::timeout(time, taking).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use tokio::sync::mpsc;

    use super::*;

    const CHUNK: usize = 1024 * 1024;

    /// A body of `chunks`, and a receiver that gets a message for each consumed chunk.
    fn body(chunks: usize) -> (Body, mpsc::UnboundedReceiver<usize>) {
        let (taken, hear) = mpsc::unbounded_channel();
        let chunks = stream::iter(0..chunks).map(move |i| {
            let _ = taken.send(i);
            Ok::<_, Infallible>(Bytes::from(vec![b' '; CHUNK]))
        });
        (Body::from_stream(chunks), hear)
    }

    fn request(method: Method, body: Body) -> Request {
        axum::http::Request::builder().method(method).body(body).expect("a request")
    }

    const TIME: BodyTime = BodyTime { whole: Duration::from_secs(30), piece: Duration::from_secs(10) };

    fn discarding(request: Request) -> Request {
        super::discarding(request, TIME)
    }

    #[test]
    fn a_body_has_its_whole_time_and_each_piece_its_own() {
        let begun = Instant::now();
        for (last, deadline) in [(0, 10), (9, 19), (18, 28), (20, 30), (29, 30)] {
            let [last, deadline] = [last, deadline].map(|seconds| begun + Duration::from_secs(seconds));
            assert_eq!(TIME.deadline(begun, last), deadline);
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_or_drips_is_given_up() {
        const MOMENT: Duration = Duration::from_millis(1);
        const LONG: Duration = Duration::from_hours(1);
        let piece = || Ok::<_, Infallible>(Bytes::from_static(b"a"));
        let stalls = Body::from_stream(stream::iter([piece()]).chain(stream::pending()));
        let drips = Body::from_stream(stream::unfold((), move |()| async move {
            tokio::time::sleep(MOMENT).await;
            Some((piece(), ()))
        }));
        let in_time = |whole, piece| BodyTime { whole, piece };
        for (body, time) in [(stalls, in_time(LONG, MOMENT)), (drips, in_time(20 * MOMENT, LONG))] {
            let mut body =
                super::discarding(request(Method::POST, body), time).into_body().into_data_stream();
            let end = loop {
                match body.next().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            };
            assert!(end.is_some_and(|end| end.is_err()), "it ends with an error");
        }
    }

    /// The number of chunks consumed before the body is dropped.
    async fn taken(mut hear: mpsc::UnboundedReceiver<usize>) -> usize {
        let mut count = 0;
        while hear.recv().await.is_some() {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn what_is_let_go_of_is_taken_in_within_bounds() {
        let (short, hear) = body(3);
        drop(discarding(request(Method::POST, short)));
        assert_eq!(taken(hear).await, 3);

        let (long, hear) = body(100);
        drop(discarding(request(Method::POST, long)));
        assert_eq!(taken(hear).await, DISCARD_MAX / CHUNK + 1);

        let (begun, hear) = body(3);
        let mut stream = discarding(request(Method::POST, begun)).into_body().into_data_stream();
        assert!(stream.next().await.is_some_and(|chunk| chunk.is_ok()));
        drop(stream);
        assert_eq!(taken(hear).await, 3);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_let_go_of() {
        let endless = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        discard_rest(endless.into_data_stream(), Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn gets_and_bodies_that_were_not_asked_for_are_left_alone() {
        let (unread, hear) = body(3);
        drop(discarding(request(Method::GET, unread)));
        assert_eq!(taken(hear).await, 0);

        let (waiting, hear) = body(3);
        let mut expecting = request(Method::POST, waiting);
        expecting.headers_mut().insert(EXPECT, axum::http::HeaderValue::from_static("100-continue"));
        drop(discarding(expecting));
        assert_eq!(taken(hear).await, 0);
    }
}
