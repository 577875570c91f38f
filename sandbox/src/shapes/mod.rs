//! How Stripe's objects look. Nothing here changes what is stored.

pub mod cards;
pub mod checkout;
pub mod contact;
pub mod coupons;
pub mod customers;
pub mod discounts;
pub mod features;
pub mod invoice_payments;
pub mod invoices;
pub mod payment_intents;
pub mod plans;
pub mod portal_settings;
pub mod price_words;
pub mod prices;
pub mod products;
pub mod setup_intents;
pub mod sources;
pub mod subscriptions;
