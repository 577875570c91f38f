//! The API: one file for the routes of each kind of object, and what every request passes first.

pub mod auth;
pub mod checkout;
pub mod control;
pub mod coupons;
pub mod customers;
pub mod empty;
pub mod entitlements;
pub mod events;
pub mod features;
pub mod gate;
pub mod invoice_items;
pub mod invoice_payments;
pub mod invoices;
pub mod payment_intents;
pub mod payment_methods;
pub mod plans;
pub mod portal_sessions;
pub mod portal_settings;
pub mod prices;
pub mod products;
pub mod read;
pub mod setup_intents;
pub mod sources;
pub mod subscriptions;
pub mod webhook_endpoints;

use axum::Extension;

use crate::objects::events::Cause;

/// The cause of events that a handler emits; the gate puts it there.
pub type Because = Extension<Cause>;
