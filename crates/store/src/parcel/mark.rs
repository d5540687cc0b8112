//! Marks: the times of a document that a person caused, or the institution by withdrawing it (DESIGN 3). A document
//! has a row of marks from the first of them on; most documents have none.

use seoham_model::UnixSeconds;
use seoham_model::status::Times;

/// The times of a document that a person caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// It entered the box when its recipient joined. A document of a member has none: it entered when it was
    /// accepted.
    pub received_at: Option<UnixSeconds>,
    /// It was opened for the first time: a token was issued.
    pub opened_at: Option<UnixSeconds>,
    /// The first authentication.
    pub authenticated_at: Option<UnixSeconds>,
    /// The first token that was verified.
    pub token_used_at: Option<UnixSeconds>,
    /// The first read report.
    pub read_at: Option<UnixSeconds>,
    /// The institution withdrew it (SPEC 16).
    pub withdrawn_at: Option<UnixSeconds>,
}

/// The time at which a document enters the box of a person who joined by `now`.
pub fn received_at(sent_at: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    now.max(sent_at)
}

/// The time of an opening at `now`, and of the authentication for it: not before the preceding steps, even if those came from a node with
/// another clock.
pub fn opened_at(times: &Times, now: UnixSeconds) -> UnixSeconds {
    times.received_at.map_or(times.sent_at, |received| received.max(times.sent_at)).max(now)
}

/// The time at which a token is used at `now`: not before the authentication, or without one the receipt.
pub fn token_used_at(times: &Times, now: UnixSeconds) -> UnixSeconds {
    times.authenticated_at.or(times.opened_at).or(times.received_at).unwrap_or(times.sent_at).max(now)
}

/// The time of a withdrawal at `now`: not before the preceding steps.
pub fn withdrawn_at(times: &Times, now: UnixSeconds) -> UnixSeconds {
    times.received_at.unwrap_or(times.sent_at).max(times.sent_at).max(now)
}

/// The time of a read report at `now`; `None` if no token was verified yet.
pub fn read_at(times: &Times, now: UnixSeconds) -> Option<UnixSeconds> {
    times.token_used_at.map(|used| used.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_before_the_preceding_one() {
        let at = UnixSeconds;
        let times = |received: Option<i64>, authenticated: Option<i64>, used: Option<i64>| Times {
            received_at: received.map(at),
            authenticated_at: authenticated.map(at),
            token_used_at: used.map(at),
            ..Times::accepted(at(100))
        };
        assert_eq!((received_at(at(100), at(90)), received_at(at(100), at(120))), (at(100), at(120)));
        for (times, now, authenticated, used, read) in [
            (times(None, None, None), 90, 100, 100, None),
            (times(Some(110), None, None), 90, 110, 110, None),
            (times(Some(110), Some(115), None), 90, 110, 115, None),
            (times(Some(110), Some(115), Some(130)), 120, 120, 120, Some(130)),
            (times(Some(110), Some(115), Some(130)), 150, 150, 150, Some(150)),
        ] {
            let found =
                (opened_at(&times, at(now)), token_used_at(&times, at(now)), read_at(&times, at(now)));
            assert_eq!(found, (at(authenticated), at(used), read.map(at)), "{times:?} {now}");
        }
    }
}
