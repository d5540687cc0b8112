//! A minimal browser for the pages: cookies, forms, links. It runs no scripts.

use reqwest::Method;

use super::client::http;

/// A person's browser.
#[derive(Clone, Default)]
pub struct Browser {
    pub base: String,
    cookie: Option<String>,
    english: bool,
}

/// A page or a redirect.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub html: String,
    /// The redirect target, if it is a redirect.
    pub location: Option<String>,
}

impl Browser {
    pub fn at(base: &str) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub fn in_english(self) -> Self {
        Self { english: true, ..self }
    }

    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub fn set_cookie(&mut self, cookie: Option<String>) {
        self.cookie = cookie;
    }

    /// Sends one request, without following redirects.
    pub async fn request(&mut self, method: Method, address: &str, form: &[(&str, &str)]) -> Page {
        let url =
            if address.starts_with("http") { address.to_owned() } else { format!("{}{address}", self.base) };
        let mut request = http().request(method.clone(), url);
        request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if self.english {
            request = request.header("accept-language", "en");
        }
        if method == Method::POST {
            let mut body = reqwest::Url::parse("http://x").unwrap();
            body.query_pairs_mut().extend_pairs(form);
            let body = body.query().unwrap_or_default().to_owned();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let answer = request.send().await.unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let pair = set.split(';').next().unwrap();
            assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
            self.cookie = (!set.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let location = headers.get("location").map(|l| l.to_str().unwrap().to_owned());
        let html = answer.text().await.unwrap();
        Page { status, headers, html, location }
    }

    /// Follows redirects within the box; one that leads elsewhere is returned.
    async fn settle(&mut self, mut page: Page) -> Page {
        while let Some(location) = page.location.clone().filter(|l| l.starts_with('/')) {
            page = self.request(Method::GET, &location, &[]).await;
        }
        page
    }

    pub async fn get(&mut self, address: &str) -> Page {
        let page = self.request(Method::GET, address, &[]).await;
        self.settle(page).await
    }

    pub async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Page {
        let page = self.request(Method::POST, address, form).await;
        self.settle(page).await
    }

    /// Fills in the form of `page` with this `action`, including its hidden fields, and submits it.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let hidden = page.hidden(action);
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        form.extend_from_slice(fields);
        self.post(action, &form).await
    }
}

impl Page {
    fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let form = self.html.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {action} in {}", self.html));
        let form = form.split("</form>").next().unwrap();
        let attribute = |input: &str, name: &str| {
            let value = input.split(&format!("{name}=\"")).nth(1)?;
            Some(value.split('"').next()?.to_owned())
        };
        let hidden = form.split("<input").filter(|input| input.contains("type=\"hidden\""));
        hidden.map(|input| (attribute(input, "name").unwrap(), attribute(input, "value").unwrap())).collect()
    }

    /// The addresses of links that contain `part`.
    pub fn links(&self, part: &str) -> Vec<String> {
        let links = self.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        links.filter(|link| link.contains(part)).map(|link| link.replace("&amp;", "&")).collect()
    }

    #[track_caller]
    pub fn shows(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.html);
        assert!(self.html.contains(text), "{text} in {}", self.html);
    }
}
