//! What happens to objects: each change is stored and told as an event. Knows nothing of HTTP.

pub mod billing;
pub mod checkout;
pub mod crowd;
pub mod customer_discount;
pub mod customers;
pub mod deliveries;
pub mod discounts;
pub mod entitlements;
pub mod events;
pub mod invoice_items;
pub mod invoice_lines;
pub mod invoices;
pub mod payment_methods;
pub mod portal_sessions;
pub mod portal_settings;
pub mod prices;
pub mod products;
pub mod purchase;
pub mod renewal;
pub mod subscription_start;
pub mod subscriptions;
