//! Acceptance beside the peers that a team would write itself: the same bodies, in the same run.

use std::time::Duration;

use anyhow::Result;

use super::Run;
use crate::figures::Figure;
use crate::load::{Load, drive_at};
use crate::peer::{Peer, PeerServer, cluster};

/// Load before the measurement: a virtual machine compiles what it runs often.
const WARM_UP: Duration = Duration::from_secs(10);

/// `rate` is Seoham's own; the best peer must be left behind by the factor `least`.
pub(crate) async fn measure(run: &mut Run<'_>, rate: f64, least: f64) -> Result<()> {
    run.quiet().await?;
    let cluster = cluster();
    let mut rates = Vec::new();
    for peer in Peer::ALL {
        let server = PeerServer::start(peer, &cluster, run.arguments.people).await?;
        let targets = [server.target.clone()];
        let url = std::slice::from_ref(&server.url);
        drive_at(url, &Load::new(&targets, 16, &run.bodies, WARM_UP)).await?;
        let driven = drive_at(url, &Load::new(&targets, 16, &run.bodies, run.duration())).await?;
        rates.push((peer.name(), driven.per_second()));
    }
    let best = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    for (name, peer) in rates {
        let figure =
            Figure::new(run.store(), format!("accepted a second, beside {name}"), rate, "documents/s");
        let figure = figure.beside("the same bodies", peer);
        run.add(if peer >= best { figure.ratio_at_least(least) } else { figure });
    }
    Ok(())
}
