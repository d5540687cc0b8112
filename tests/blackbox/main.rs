//! Black-box tests: the built binary over real sockets, as used by an institution, an operator, a messenger and an
//! attacker.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests are documented by their names"
)]

use seoham_harness as harness;

mod access;
mod admin;
mod backup;
mod clerk;
mod clock;
mod correcting;
mod crash;
mod database;
mod defects;
mod delivery;
mod demo;
mod disk;
mod events;
mod exchange_log;
mod exposure;
mod guides;
mod idempotency;
mod inbox;
mod interrupted;
mod java;
mod landing;
mod lifecycle;
mod mail;
mod messengers;
mod moving;
mod nodes;
mod old_clients;
mod openapi;
mod operating;
mod overload;
mod peers;
mod pins;
mod privacy;
mod products;
mod provider;
mod proxy;
mod reading;
mod sandbox;
mod send;
mod sending;
mod statistics;
mod status;
mod tenancy;
mod tokens;
mod unknown_outcomes;
mod volume;
mod webhooks;
mod workstation;
