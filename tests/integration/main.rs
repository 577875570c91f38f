//! The program through its own doors, on both engines. One binary; a module for each subject.
//! Names that begin with `checklist_` prove the promise of that number in `docs/promises.md`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]

mod access;
mod addresses;
mod again;
mod ailments;
mod apart;
mod at_once;
mod audit;
mod bodies;
mod browsers;
mod canary;
mod cases;
mod clicks;
mod clocks;
mod connections;
mod contract;
mod crash;
mod crowds;
mod cut;
mod deadlines;
mod devices;
mod disk;
mod doctor;
mod documents;
mod doors;
mod dotenv;
mod drills;
mod edge;
mod engines;
mod entitlements;
mod erase;
mod erase_mails;
mod erased_again;
mod even_mails;
mod every_noun;
mod fuzz;
mod guesses;
mod helpers;
mod hostile;
mod imports;
mod kills;
mod known_devices;
mod leases;
mod limits;
mod lines;
mod mail_faults;
mod mail_server;
mod mails;
mod matrix;
mod mutants;
mod newsletter;
mod nouns;
mod odd;
mod operator;
mod ordering;
mod parted;
mod pay;
mod payloads;
mod plans;
mod poison;
mod portal;
mod portal_faults;
mod portal_reads;
mod post_office;
mod printing;
mod promises;
mod proxies;
mod readers;
mod refunds;
mod refusals;
mod refused_reads;
mod restore;
mod scripted;
mod secrets;
mod sessions;
mod shapes;
mod sign_in;
mod silence;
mod slow_office;
mod smtp;
mod standing;
mod starts;
mod stops;
mod strangers;
mod streams;
mod supply;
mod sweeps;
mod timing;
mod tokens;
mod trial;
mod webhook;
mod worker;
