//! Connection limits of a listener, in total and per address, and the timeout for peers that do not read. Each
//! listener has its own share of the process's file descriptors, so that none takes another's.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use axum_server::accept::Accept;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seoham_model::peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

/// How long a peer may leave everything written to it unread.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// File descriptors reserved for other uses: the store, the messenger, the log.
const RESERVED: u64 = 256;
/// How often to log failures to accept connections.
const LOG_EVERY_SECONDS: i64 = 60;

/// Limits of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Concurrent connections.
    pub(crate) all: usize,
    /// Concurrent connections per address; `None` behind a proxy, whose address all clients share.
    pub(crate) per_address: Option<usize>,
}

/// Raises the soft limit on file descriptors to the hard one. Returns how many of the `wanted` connections fit: all
/// of them, or the same fraction of each.
pub(crate) fn share_descriptors(wanted: &[usize]) -> Result<Vec<usize>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // If the system does not permit it, the limit stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let Some(shares) = shares(wanted, allowed) else {
        bail!(
            "the system allows this process {allowed} open files, which is too few: allow at least {} \
             (ulimit -n, or LimitNOFILE= of a systemd unit)",
            2 * RESERVED
        );
    };
    if shares != wanted {
        tracing::warn!(
            open_files = allowed,
            "the system allows fewer open files than the listeners' connections need; each has a smaller share"
        );
    }
    Ok(shares)
}

fn shares(wanted: &[usize], allowed: u64) -> Option<Vec<usize>> {
    let left = allowed.checked_sub(RESERVED).filter(|left| *left >= RESERVED)?;
    let all: u64 = wanted.iter().map(|n| *n as u64).sum();
    let share = |n: &usize| {
        let share = u128::from(left) * (*n as u128) / u128::from(all.max(1));
        usize::try_from(share).unwrap_or(*n).clamp(1, *n)
    };
    Some(if all <= left { wanted.to_vec() } else { wanted.iter().map(share).collect() })
}

/// The connections of one listener. Clones share state.
#[derive(Clone)]
pub(crate) struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    listener: &'static str,
    limits: ConnectionLimits,
    open: Mutex<Open>,
    logged_at: AtomicI64,
}

#[derive(Default)]
struct Open {
    all: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// A counted connection. Dropping this ends the count.
struct Counted {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    pub(crate) fn new(listener: &'static str, limits: ConnectionLimits) -> Self {
        let inner = Inner { listener, limits, open: Mutex::default(), logged_at: AtomicI64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Counts a connection from `address`, or returns the limit that it would exceed.
    fn count(&self, address: IpAddr) -> std::result::Result<Counted, &'static str> {
        let address = peer::network(address);
        let mut open = self.open();
        if open.all >= self.inner.limits.all {
            return Err("listener");
        }
        let of_address = open.of_address.entry(address).or_default();
        if self.inner.limits.per_address.is_some_and(|limit| *of_address >= limit) {
            return Err("address");
        }
        *of_address += 1;
        open.all += 1;
        self.show(&open);
        drop(open);
        Ok(Counted { connections: self.clone(), address })
    }

    /// Counts a failure to accept a connection, and logs it if the file descriptors have run out.
    pub(crate) fn failed(&self, error: &io::Error) {
        let (listener, kind) = (self.inner.listener, accept_failure(error));
        metrics::counter!("seoham_accept_failures_total", "listener" => listener, "kind" => kind)
            .increment(1);
        if kind == DESCRIPTORS && self.may_log() {
            tracing::error!(listener, %error, "connections cannot be accepted: the process has no file descriptors left");
        }
    }

    fn refused(&self, bound: &'static str) {
        let listener = self.inner.listener;
        metrics::counter!("seoham_connections_refused_total", "listener" => listener, "bound" => bound)
            .increment(1);
        if self.may_log() {
            tracing::warn!(listener, bound, "connections are refused: too many are open");
        }
    }

    /// Whether enough time has passed to log again.
    fn may_log(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());
        let logged_at = self.inner.logged_at.load(Ordering::Relaxed);
        (now - logged_at).abs() >= LOG_EVERY_SECONDS
            && self
                .inner
                .logged_at
                .compare_exchange(logged_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn show(&self, open: &Open) {
        let all = f64::from(u32::try_from(open.all).unwrap_or(u32::MAX));
        metrics::gauge!("seoham_connections", "listener" => self.inner.listener).set(all);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all -= 1;
        if let Some(of_address) = open.of_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.of_address.remove(&self.address);
            }
        }
        self.connections.show(&open);
    }
}

/// The kind of failure when the process or the system runs out of file descriptors.
const DESCRIPTORS: &str = "descriptors";

fn accept_failure(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => DESCRIPTORS,
        _ if error.kind() == io::ErrorKind::QuotaExceeded => "refused",
        _ if error.kind() == io::ErrorKind::TimedOut => "too_slow",
        _ => "peer",
    }
}

/// A connection that closes when its peer reads nothing for too long. Disables Nagle's algorithm: otherwise the last
/// small write would wait for the client's acknowledgement of the previous one, up to 40 ms.
pub(crate) struct Bounded {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    _counted: Counted,
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Bounded;
    type Service = S;
    type Future = Ready<io::Result<(Bounded, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.bounded(stream).map(|stream| (stream, service)))
    }
}

impl Connections {
    fn bounded(&self, stream: TcpStream) -> io::Result<Bounded> {
        let counted = self.count(stream.peer_addr()?.ip()).map_err(|bound| {
            self.refused(bound);
            io::Error::from(io::ErrorKind::QuotaExceeded)
        })?;
        stream.set_nodelay(true)?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIME));
        Ok(Bounded { stream: Box::pin(stream), _counted: counted })
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_bounded_in_all_and_from_one_address() {
        let connections = Connections::new("api", ConnectionLimits { all: 3, per_address: Some(2) });
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = connections.count(a).expect("room");
        let _second = connections.count(a).expect("room");
        assert_eq!(connections.count(a).err(), Some("address"));
        let _third = connections.count(b).expect("room");
        assert_eq!(connections.count([10, 0, 0, 3].into()).err(), Some("listener"));
        drop(first);
        assert!(connections.count(a).is_ok(), "given back");
        assert_eq!(connections.open().of_address.len(), 2, "who has gone is forgotten");
    }

    #[test]
    fn what_the_system_allows_is_shared_out() {
        let wanted = [1_024, 1_024, 4_096, 64];
        assert_eq!(shares(&wanted, 1 << 20), Some(wanted.to_vec()));
        assert_eq!(shares(&wanted, 6_208 + 256), Some(wanted.to_vec()));
        let few = shares(&wanted, 1_024).expect("enough to start");
        assert!(few.iter().sum::<usize>() <= 768 && few.iter().all(|share| *share > 0), "{few:?}");
        assert!(few[2] > 3 * few[0], "{few:?}");
        assert_eq!(shares(&wanted, 300), None);
    }
}
