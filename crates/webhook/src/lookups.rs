//! Name look-ups on threads of their own. The system's resolver blocks for as long as a name server is silent, which nobody can
//! cut short: on a runtime's blocking threads, one institution's name server would hold up everything else that uses them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// Look-ups at the same time, and so threads.
const LOOKUPS_MAX: u32 = 64;
/// A resolver needs little, but loads modules.
const STACK_BYTES: usize = 512 * 1024;

/// Bounded look-ups. Clones share the bound.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    room: Arc<Semaphore>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(LOOKUPS_MAX as usize)) }
    }
}

impl Lookups {
    /// The addresses of a name, with port 0. Waits while too many are looked up; the caller limits the time.
    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)?;
        let (answer, answered) = oneshot::channel();
        let name = name.to_owned();
        let look_up = move || {
            // Nobody may wait for it any more.
            let _ = answer.send((name.as_str(), 0).to_socket_addrs().map(Iterator::collect));
            // Held until the thread ends, not only until the caller gives up.
            drop(permit);
        };
        std::thread::Builder::new()
            .name("seoham-lookup".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(look_up)?;
        answered.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_up_waits_for_room_and_gives_it_back() {
        let lookups = Lookups::default();
        let taken = Arc::clone(&lookups.room).acquire_many_owned(LOOKUPS_MAX).await.expect("room");
        let waiting = tokio::spawn({
            let lookups = lookups.clone();
            async move { lookups.addresses("127.0.0.1").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "as many as may be are looked up");
        drop(taken);
        let found = waiting.await.expect("ends").expect("is found");
        assert_eq!(found, ["127.0.0.1:0".parse().expect("an address")]);
        let all = lookups.room.acquire_many(LOOKUPS_MAX).await;
        assert!(all.is_ok(), "the room is given back");
    }
}
