//! The session cookie: limited to this host, inaccessible to scripts, and over TLS with the `__Host-` prefix,
//! whose rules browsers enforce.

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
    /// Its name when pages are served over TLS.
    secure_name: &'static str,
    is_secure: bool,
}

impl SessionCookie {
    /// A cookie named `name`; `secure_name` is the same name with the prefix `__Host-`. `is_secure` says
    /// whether people reach the pages over TLS.
    pub const fn new(name: &'static str, secure_name: &'static str, is_secure: bool) -> Self {
        Self { name, secure_name, is_secure }
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        if self.is_secure { self.secure_name } else { self.name }
    }

    /// Both names: a proxy that forwards a browser's cookies must remove them.
    pub fn names(self) -> [&'static str; 2] {
        [self.name, self.secure_name]
    }

    /// The secret in a request; the first one if there are several of this name.
    pub fn of(self, headers: &HeaderMap) -> Option<SecretString> {
        // Other applications on this host may set non-ASCII cookies.
        let pairs =
            headers.get_all(COOKIE).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let mut cookies =
            pairs.flat_map(|pairs| Cookie::split_parse(pairs.into_owned())).filter_map(Result::ok);
        cookies.find(|cookie| cookie.name() == self.name()).map(|cookie| cookie.value().into())
    }

    /// Sets the cookie until the browser is closed.
    pub fn set(self, headers: &mut HeaderMap, secret: &SecretString) {
        put(headers, &self.cookie(secret.expose_secret()));
    }

    /// Deletes the cookie.
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
    // The value is always ASCII.
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
