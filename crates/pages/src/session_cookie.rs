//! The cookie that carries a session: this host's alone, unreadable for scripts, and over TLS under a name that browsers
//! hold to what it promises.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use secrecy::{ExposeSecret, SecretString};

/// A session's cookie.
#[derive(Clone, Copy, Debug)]
pub struct SessionCookie {
    /// Its name without a prefix.
    name: &'static str,
    /// Its name where pages are reached over TLS.
    secure_name: &'static str,
    is_secure: bool,
}

impl SessionCookie {
    /// A cookie of this name; `secure_name` is the same with `__Host-` before it. People reach the pages over TLS if
    /// `is_secure`.
    pub const fn new(name: &'static str, secure_name: &'static str, is_secure: bool) -> Self {
        Self { name, secure_name, is_secure }
    }

    /// Its name as it goes over the wire.
    pub fn name(self) -> &'static str {
        if self.is_secure { self.secure_name } else { self.name }
    }

    /// Both names: whoever passes a browser's cookies on must keep them to itself.
    pub fn names(self) -> [&'static str; 2] {
        [self.name, self.secure_name]
    }

    /// The secret that a request brings; the first, where there are several of this name.
    pub fn of(self, headers: &HeaderMap) -> Option<SecretString> {
        // Others on this host may set some that are no ASCII.
        let pairs =
            headers.get_all(COOKIE).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let mut cookies =
            pairs.flat_map(|pairs| Cookie::split_parse(pairs.into_owned())).filter_map(Result::ok);
        cookies.find(|cookie| cookie.name() == self.name()).map(|cookie| cookie.value().into())
    }

    /// Has the browser keep a secret until it is closed.
    pub fn set(self, headers: &mut HeaderMap, secret: &SecretString) {
        put(headers, &self.cookie(secret.expose_secret()));
    }

    /// Has the browser forget it.
    pub fn forget(self, headers: &mut HeaderMap) {
        let mut cookie = self.cookie("");
        cookie.set_max_age(Duration::ZERO);
        put(headers, &cookie);
    }

    fn cookie(self, value: &str) -> Cookie<'_> {
        Cookie::build((self.name(), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .build()
    }
}

fn put(headers: &mut HeaderMap, cookie: &Cookie<'_>) {
    // Ours are ASCII.
    if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: SessionCookie = SessionCookie::new("s", "__Host-s", false);
    const SECURE: SessionCookie = SessionCookie::new("s", "__Host-s", true);

    #[test]
    fn what_is_set_comes_back() {
        let mut headers = HeaderMap::new();
        SECURE.set(&mut headers, &"abc_-".into());
        assert_eq!(headers[SET_COOKIE], "__Host-s=abc_-; HttpOnly; SameSite=Lax; Secure; Path=/");
        let mut headers = HeaderMap::new();
        PLAIN.forget(&mut headers);
        assert_eq!(headers[SET_COOKIE], "s=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn its_own_is_found_among_others() {
        let found = |cookie: SessionCookie, sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(COOKIE, HeaderValue::from_str(value).expect("a header"));
            }
            cookie.of(&headers).map(|secret| secret.expose_secret().to_owned())
        };
        assert_eq!(found(PLAIN, &["a=1; s=abc; b=2"]).as_deref(), Some("abc"));
        assert_eq!(found(PLAIN, &["a=1", "s=abc"]).as_deref(), Some("abc"));
        assert_eq!(found(PLAIN, &["user=홍길동; s=abc"]).as_deref(), Some("abc"));
        assert_eq!(found(PLAIN, &["nonsense; ;=; s=abc"]).as_deref(), Some("abc"));
        assert_eq!(found(SECURE, &["s=abc"]), None, "whoever can write the plain name is not believed");
        assert_eq!(found(PLAIN, &[]), None);
    }
}
