//! The figures, for people and for machines.

#![allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::fairness::Fairness;
use crate::institution::Sent;
use crate::keys::Keyed;
use crate::load::Driven;

impl Driven {
    pub(crate) fn accepted_per_second(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }

    fn delivered_meanwhile_per_second(&self) -> f64 {
        self.delivered_meanwhile as f64 / self.seconds
    }

    fn drained_per_second(&self) -> f64 {
        self.drained as f64 / self.drain_seconds.max(f64::EPSILON)
    }
}

impl Bare {
    fn per_second(&self) -> f64 {
        self.documents as f64 / self.seconds
    }
}

/// All that was measured in one run.
pub(crate) struct Figures {
    pub(crate) driven: Driven,
    pub(crate) keyed: Keyed,
    pub(crate) client: Sent,
    /// The same load while a worker delivers, where it can be apart.
    pub(crate) with_worker: Option<Driven>,
    /// The same load and worker on three gateways, where there can be several.
    pub(crate) with_three: Option<Driven>,
    pub(crate) fairness: Fairness,
    pub(crate) bare: Vec<Bare>,
}

pub(crate) fn print(figures: &Figures, items: usize, connections: usize) {
    let Figures { driven, keyed, client, with_worker, with_three, fairness, bare } = figures;
    let accepted = driven.accepted_per_second();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["", "documents/s", "accepted ÷ this"]);
    let mut row = |what: String, rate: f64, ratio: Option<f64>| {
        table.add_row([what, format!("{rate:.0}"), ratio.map_or_else(String::new, |r| format!("{r:.2}"))]);
    };
    row(format!("accepted over HTTP, {items} an item, {connections} connections"), accepted, None);
    for bare in bare {
        row(bare.engine.clone(), bare.per_second(), Some(accepted / bare.per_second()));
    }
    row("in turns: without keys".to_owned(), keyed.plain_per_second, None);
    row("    each request under a key of its own".to_owned(), keyed.keyed_per_second, None);
    row("in turns: the load generator".to_owned(), client.generator_per_second, None);
    row(format!("    seoham send, {} rows of CSV in CP949", client.rows), client.per_second, None);
    for (what, driven) in [("one gateway", with_worker), ("three gateways", with_three)] {
        if let Some(driven) = driven {
            row(format!("accepted over {what} while a worker delivers"), driven.accepted_per_second(), None);
            row("    delivered meanwhile".to_owned(), driven.delivered_meanwhile_per_second(), None);
        }
    }
    if driven.delivered_meanwhile > 0 {
        row("delivered while accepting".to_owned(), driven.delivered_meanwhile_per_second(), None);
    }
    if driven.drained > 0 {
        row("delivered afterwards, alone".to_owned(), driven.drained_per_second(), None);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    println!(
        "keys: {:.2} of the rate without, median of {} pairs; server's processor time for each document {:.2} of \
         that without. seoham send: {:.2} of the load generator's rate while it sends, {:.1} s from start to end, \
         {:.1} µs of its processor time a row, peak memory {} MiB",
        keyed.rate_ratio,
        keyed.pairs,
        keyed.cpu_ratio,
        client.per_second / client.generator_per_second,
        client.seconds,
        client.cpu_seconds * 1e6 / f64::from(client.rows),
        client.peak_mib,
    );
    println!(
        "with {} documents of one institution waiting, a request of 100 of another was delivered and announced in {:.2} s",
        fairness.backlog, fairness.seconds
    );
    let each = 1e6 / driven.accepted.max(1) as f64;
    println!(
        "processor time for each accepted document while the load was on: server {:.1} µs (deliveries included), \
         load generator {:.1} µs; {} documents in {:.1} s; {} requests refused; server's peak memory {} MiB",
        driven.server_cpu_seconds * each,
        driven.generator_cpu_seconds * each,
        driven.accepted,
        driven.seconds,
        driven.refused_requests,
        driven.server_peak_mib,
    );
}

pub(crate) fn json(figures: &Figures) -> Value {
    let Figures { driven, keyed, client, with_worker, with_three, fairness, bare } = figures;
    let accepted = driven.accepted_per_second();
    let bare: Vec<Value> = bare
        .iter()
        .map(|b| {
            json!({
                "transaction_documents": b.batch, "documents_per_second": b.per_second(),
                "accepted_to_this": accepted / b.per_second(),
            })
        })
        .collect();
    json!({
        "accepted_per_second": accepted,
        "bare": bare,
        "accepted_while_delivering_per_second": with_worker.as_ref().map(Driven::accepted_per_second),
        "accepted_with_three_gateways_per_second": with_three.as_ref().map(Driven::accepted_per_second),
        "backlog_documents": fairness.backlog,
        "hundred_behind_backlog_seconds": fairness.seconds,
        "keyed_to_plain_rate": keyed.rate_ratio,
        "keyed_to_plain_cpu": keyed.cpu_ratio,
        "client_rows": client.rows,
        "client_to_generator_rate": client.per_second / client.generator_per_second,
        "client_seconds": client.seconds,
        "client_cpu_seconds": client.cpu_seconds,
        "client_peak_mib": client.peak_mib,
        "delivered_while_accepting_per_second": driven.delivered_meanwhile_per_second(),
        "delivered_alone_per_second": driven.drained_per_second(),
        "server_cpu_seconds": driven.server_cpu_seconds,
        "generator_cpu_seconds": driven.generator_cpu_seconds,
        "server_peak_mib": driven.server_peak_mib,
        "refused_requests": driven.refused_requests,
    })
}
