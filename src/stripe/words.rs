//! Stripe's error messages, masked for logs and rows. They contain parts of the key and addresses of customers.

pub use crate::mask::masked;

/// Prefix of permission names.
const RIGHT: &str = "rak_";

/// The permissions that a key lacks, by Stripe's names in the error message: *Having the 'rak_customer_read'
/// permission would allow this request to continue.*
pub fn permission(text: &str) -> Option<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let names: Vec<_> = text
        .split(|character| !is_name(character))
        .filter(|word| word.starts_with(RIGHT) && (RIGHT.len() + 1..=64).contains(&word.len()))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &str = "The provided key 'rk_test_*********************************qs8Kgd' does \
        not have the required permissions for this endpoint on account 'acct_1Fake'. Having the \
        'rak_customer_read' permission would allow this request to continue.";

    #[test]
    fn checklist_66_keys_and_addresses_are_masked_in_what_stripe_says() {
        let told = masked(REFUSAL);
        assert!(
            !told.contains("rk_test") && !told.contains("qs8Kgd"),
            "{told}"
        );
        assert!(
            told.contains("does not have the required permissions"),
            "{told}"
        );
        for (text, expected) in [
            (
                "Invalid API Key provided: sk_live_***Fake",
                "Invalid API Key provided: [key]",
            ),
            ("key=rk_live_fake1;", "[key];"),
            ("(whsec_fake)", "([key])"),
            (
                "Invalid email address: ada@example.com",
                "Invalid email address: [address]",
            ),
            ("<o'ada@example.com>: no", "<[address]>: no"),
            ("email=ada%40example.com ü", "[address] ü"),
            ("No such customer: 'cus_1'", "No such customer: 'cus_1'"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn checklist_40_a_refusal_names_the_missing_permission() {
        assert_eq!(permission(REFUSAL).as_deref(), Some("rak_customer_read"));
        let two = "Having the 'rak_a_read' or 'rak_b_write' permissions would do.";
        assert_eq!(permission(two).as_deref(), Some("rak_a_read, rak_b_write"));
        for none in ["", "rak_", "This key may not do that.", "break_rak_x"] {
            assert_eq!(permission(none), None, "{none}");
        }
        assert_eq!(permission(&format!("rak_{}", "x".repeat(100))), None);
    }
}
