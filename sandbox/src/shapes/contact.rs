//! What an e-mail address and a postal address may be.

pub const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];

/// Stripe's own check is no stricter: something before and after one `@`, no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    parts && text.len() <= 512 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}
