//! Three gateways and two workers on one database. Each process can be killed, paused and restarted.

use std::sync::{Arc, Mutex};

use crate::harness::{Backing, Client, Server, Start};
use crate::messenger::{Messenger, SECRET};

pub(crate) const GATEWAYS: usize = 3;
pub(crate) const WORKERS: usize = 2;

/// The lease of the workers: short, so that another worker claims a lost one's documents while the test runs.
pub(crate) const LEASE_SECONDS: u64 = 2;

pub(crate) struct Deployment {
    nodes: Vec<Node>,
    /// The gateways' addresses; `None` while one is down.
    pub(crate) gateways: Gateways,
}

/// The addresses, as a load balancer would know them.
#[derive(Clone, Default)]
pub(crate) struct Gateways(Arc<Mutex<Vec<Option<Addresses>>>>);

/// The addresses of the api and the bulk listener.
type Addresses = (String, String);

struct Node {
    start: Start,
    server: Option<Server>,
    gateway: Option<usize>,
}

impl Deployment {
    pub(crate) fn up(backing: Backing, messenger: &Messenger) -> Self {
        Self::with(backing, messenger, 1, LEASE_SECONDS)
    }

    /// A deployment with realistic timeouts: even on a busy machine, nothing is sent again because of a timeout.
    pub(crate) fn patient(backing: Backing, messenger: &Messenger) -> Self {
        Self::with(backing, messenger, 60, 300)
    }

    fn with(backing: Backing, messenger: &Messenger, timeout_seconds: u64, lease_seconds: u64) -> Self {
        let all = Start::on(backing)
            .env("SEOHAM_NOTIFIER__URL", &messenger.url)
            .env("SEOHAM_NOTIFIER__SECRET", SECRET)
            .env("SEOHAM_NOTIFIER__TIMEOUT_SECONDS", &timeout_seconds.to_string())
            .env("SEOHAM_NOTIFIER__CONCURRENT_MESSAGES", "500")
            .env("SEOHAM_DELIVERY__LEASE_SECONDS", &lease_seconds.to_string())
            .env("SEOHAM_LOG__LEVEL", "info");
        let gateways = (0..GATEWAYS).map(|i| (format!("gateway-{i}"), "--role=gateway", Some(i)));
        let workers = (0..WORKERS).map(|i| (format!("worker-{i}"), "--role=delivery", None));
        let nodes = gateways.chain(workers).map(|(name, role, gateway)| Node {
            start: all.node(&name).argument(role),
            server: None,
            gateway,
        });
        let mut deployment = Self { nodes: nodes.collect(), gateways: Gateways::default() };
        deployment.gateways.0.lock().unwrap().resize(GATEWAYS, None);
        for node in 0..GATEWAYS + WORKERS {
            deployment.start(node);
        }
        deployment
    }

    pub(crate) fn backing(&self) -> &Backing {
        self.nodes[0].start.backing()
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.backing().count(sql)
    }

    /// An institution whose calls go to any gateway that is up.
    pub(crate) async fn institution(&self, name: &str) -> Client {
        self.server(0).institution(name).await
    }

    pub(crate) fn server(&self, node: usize) -> &Server {
        self.nodes[node].server.as_ref().expect("the node is up")
    }

    pub(crate) fn start(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        // A database that is still starting rejects connections. Retry, as a supervisor would restart the service.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let server = loop {
            match node.start.try_up() {
                Ok(server) => break server,
                Err(said) => assert!(std::time::Instant::now() < patience, "it does not come up: {said}"),
            }
        };
        if let Some(gateway) = node.gateway {
            self.gateways.0.lock().unwrap()[gateway] = Some((server.url("api"), server.url("bulk")));
        }
        node.server = Some(server);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some(gateway) = node.gateway {
            self.gateways.0.lock().unwrap()[gateway] = None;
        }
        if let Some(server) = node.server.take() {
            server.kill();
        }
    }

    /// Sends a process a signal by name.
    pub(crate) fn signal(&self, node: usize, name: &str) {
        signal(self.server(node).pid(), name);
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let _ = std::process::Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
}

impl Gateways {
    /// A gateway that is up: the `n`th, modulo their number.
    pub(crate) fn pick(&self, n: usize) -> Option<Addresses> {
        let all = self.0.lock().unwrap();
        let there: Vec<_> = all.iter().flatten().collect();
        if there.is_empty() { None } else { Some(there[n % there.len()].clone()) }
    }

    /// `client` with the addresses of a gateway that is up.
    pub(crate) fn aim(&self, client: &Client, n: usize) -> Option<Client> {
        let (api, bulk) = self.pick(n)?;
        Some(Client { api, bulk, ..client.clone() })
    }
}
