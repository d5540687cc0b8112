//! Document boxes, as a person's browser asks for them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;

use super::Run;
use crate::figures::Figure;
use crate::latency::Latencies;
use crate::load::{Keys, bodies_to, send};
use crate::node::{Node, person};

/// People whose boxes are looked at, far from each other among all.
const PEOPLE: u32 = 20;
/// Documents in each of their boxes, at least.
const IN_A_BOX: usize = 200;
/// How long a sign-in link may take.
const LINK_WITHIN: Duration = Duration::from_secs(30);
/// The longest that a page may take, in milliseconds.
const MILLIS_MAX: f64 = 10.0;

/// A person's browser, signed in.
struct Browser {
    http: reqwest::Client,
    box_url: String,
    cookie: String,
}

/// The first pages of boxes, one after the other.
struct Boxes {
    /// Pages a second.
    per_second: f64,
    latencies: Latencies,
}

/// The people whose boxes are looked at.
fn whose(run: &Run<'_>) -> Vec<u32> {
    (0..PEOPLE).map(|i| i * (run.arguments.people / PEOPLE)).collect()
}

/// Sends to the people whose boxes are looked at, and looks at them among little else. Returns pages a second.
pub(crate) async fn fill(run: &Run<'_>) -> Result<f64> {
    let (http, gateway) = (reqwest::Client::new(), &run.platform.gateways[0]);
    let url = format!("{}/v1/documents/bulk", gateway.url("bulk"));
    for body in bodies_to(&whose(run), PEOPLE as usize * IN_A_BOX / 100) {
        let sent = send(&http, &url, &run.targets[0], &body, Keys::None).await?;
        anyhow::ensure!(sent.is_some_and(|ids| ids.len() == 100), "not all were accepted");
    }
    run.platform.settle().await?;
    Ok(look(run).await?.per_second)
}

/// Looks at boxes on an idle server.
async fn look(run: &Run<'_>) -> Result<Boxes> {
    let web = run.engine.start_web()?;
    let node = web.as_ref().unwrap_or(&run.platform.gateways[0]);
    let mut browsers = Vec::new();
    for person in whose(run) {
        browsers.push(Browser::sign_in(node, person).await?);
    }
    // Each once before it counts: a person looks at a box more than once.
    for browser in &browsers {
        browser.documents().await?;
    }
    let (started, mut latencies) = (Instant::now(), Latencies::default());
    for browser in browsers.iter().cycle() {
        if started.elapsed() >= run.duration() {
            break;
        }
        let asked = Instant::now();
        browser.documents().await?;
        latencies.add(asked.elapsed());
    }
    let per_second = latencies.len() as f64 / started.elapsed().as_secs_f64();
    web.map_or(Ok(()), Node::stop)?;
    Ok(Boxes { per_second, latencies })
}

/// Looks at boxes among all that is stored; `before` is the rate with little stored.
pub(crate) async fn measure(run: &mut Run<'_>, before: f64, millions: f64, least: f64) -> Result<()> {
    let mut boxes = look(run).await?;
    let each = IN_A_BOX as f64 + (millions * 1e6 / f64::from(run.arguments.people)).floor();
    let what = format!("boxes a second with {millions} million documents stored");
    let figure = Figure::new(run.store(), what, boxes.per_second, "pages/s");
    run.add(figure.beside("an empty store", before).ratio_at_least(least));
    let what = format!(
        "p99 of a box of {each} among {millions} million, idle ({} pages; half of them within {:.1} ms)",
        boxes.latencies.len(),
        boxes.latencies.millis(0.5)
    );
    let figure = Figure::new(run.store(), what, boxes.latencies.millis(0.99), "ms");
    run.add(figure.at_most(None, MILLIS_MAX));
    Ok(())
}

impl Browser {
    /// Signs in as an invented person, with a link from the simulated messenger.
    async fn sign_in(node: &Node, of: u32) -> Result<Self> {
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        let box_url = node.url("web").to_owned();
        let number = person(of)["phone_number"].as_str().context("a number")?.to_owned();
        let form = format!("phone_number={number}");
        let asked = http.post(format!("{box_url}/login")).body(form);
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        asked.send().await?.error_for_status()?;
        let asked_at = Instant::now();
        loop {
            let messenger = http.get(format!("{box_url}/messenger?number={number}")).send().await?;
            let page = messenger.error_for_status()?.text().await?;
            let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for link in links.filter(|link| link.contains("/l/")) {
                // As a browser that follows a link: a program that only looks ahead is not signed in.
                let followed = http.get(link).header("sec-fetch-mode", "navigate");
                let answer = followed.header("sec-fetch-dest", "document").send().await?;
                if let Some(cookie) = answer.headers().get(SET_COOKIE) {
                    let cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
                    return Ok(Self { http, box_url, cookie });
                }
            }
            anyhow::ensure!(asked_at.elapsed() < LINK_WITHIN, "no link came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The first page of the box.
    async fn documents(&self) -> Result<()> {
        let request = self.http.get(format!("{}/documents", self.box_url)).header(COOKIE, &self.cookie);
        let answer = request.send().await?;
        anyhow::ensure!(answer.status() == 200, "a box answered {}", answer.status());
        let page = answer.text().await?;
        anyhow::ensure!(page.contains("자동차세"), "an empty box");
        Ok(())
    }
}
