//! Streams the upstream's response to the browser. If a page's view counts, the last chunk is held back until
//! the log has recorded the view; nothing else waits.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};

use super::page_view::PageView;
use super::shares::Place;
use crate::exchange::AppendError;

type Failure = Box<dyn Error + Send + Sync>;

pub(super) struct Passing {
    inner: reqwest::Body,
    /// Bytes that the upstream still has to send, if it declared a length.
    missing: Option<u64>,
    /// The current chunk, held back because it may be the last.
    held: Option<Frame<Bytes>>,
    state: State,
    view: Option<PageView>,
    /// Its concurrency slot, held until the end.
    _place: Place,
}

enum State {
    Going,
    Noting(BoxFuture<'static, Result<(), AppendError>>),
    Ending,
}

impl Passing {
    /// Wraps a response body; it counts as the page if there is a `view`.
    pub(super) fn new(inner: reqwest::Body, view: Option<PageView>, place: Place) -> Self {
        let missing = inner.size_hint().exact();
        Self { inner, missing, held: None, state: State::Going, view, _place: place }
    }

    /// Immediately records the view of a page with an empty body: only its head is sent, and no chunk is ever
    /// polled.
    pub(super) async fn note_if_empty(&mut self) -> Result<(), AppendError> {
        if !self.inner.is_end_stream() {
            return Ok(());
        }
        if let Some(view) = &mut self.view {
            view.note().await?;
            view.noted();
            view.handed();
        }
        self.state = State::Ending;
        Ok(())
    }

    fn all_there(&self) -> bool {
        self.missing == Some(0) || self.inner.is_end_stream()
    }

    fn at_end(&mut self) {
        self.state = match &self.view {
            Some(view) => State::Noting(view.note()),
            None => State::Ending,
        };
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Going => match Pin::new(&mut this.inner).poll_frame(context) {
                    // A chunk that is not the last, or may not be, does not wait for the next.
                    Poll::Pending => match this.held.take() {
                        Some(held) => return Poll::Ready(Some(Ok(held))),
                        None => return Poll::Pending,
                    },
                    Poll::Ready(None) => this.at_end(),
                    Poll::Ready(Some(Err(error))) => {
                        if let Some(view) = &mut this.view {
                            view.broke_off();
                        }
                        return Poll::Ready(Some(Err(error.without_url().into())));
                    }
                    Poll::Ready(Some(Ok(frame))) => {
                        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                        this.missing = this.missing.map(|missing| missing.saturating_sub(length));
                        if this.all_there() {
                            this.at_end();
                        }
                        if let Some(before) = this.held.replace(frame) {
                            return Poll::Ready(Some(Ok(before)));
                        }
                    }
                },
                State::Noting(note) => {
                    ready!(note.as_mut().poll(context))?;
                    if let Some(view) = &mut this.view {
                        view.noted();
                    }
                    this.state = State::Ending;
                }
                State::Ending => {
                    let last = this.held.take();
                    if let Some(view) = &mut this.view {
                        view.handed();
                    }
                    return Poll::Ready(last.map(Ok));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ending) && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        self.missing.map_or_else(SizeHint::default, |missing| SizeHint::with_exact(missing + held))
    }
}
