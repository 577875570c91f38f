//! Stripe's test cards, and how a payment method made of one looks.

use serde_json::{Value, json};

/// What happens when a card is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    Succeeds,
    /// Cannot even be saved.
    Declined,
    /// Can be saved, then every charge is declined.
    DeclinedLater,
    /// The bank wants to see the owner.
    NeedsOwner,
    /// Money comes days later; not a card.
    Pends,
}

/// A card out of Stripe's list of test cards.
#[derive(Debug)]
pub struct TestCard {
    pub token: &'static str,
    pub brand: &'static str,
    pub label: &'static str,
    pub number: &'static str,
    pub charge: Charge,
}

const fn card(
    token: &'static str,
    brand: &'static str,
    label: &'static str,
    number: &'static str,
    charge: Charge,
) -> TestCard {
    TestCard {
        token,
        brand,
        label,
        number,
        charge,
    }
}

/// How many of them the pages offer.
const OFFERED: usize = 4;

const TEST_CARDS: [TestCard; 11] = [
    card(
        "pm_card_visa",
        "visa",
        "Visa",
        "4242 4242 4242 4242",
        Charge::Succeeds,
    ),
    card(
        "pm_card_mastercard",
        "mastercard",
        "Mastercard",
        "5555 5555 5555 4444",
        Charge::Succeeds,
    ),
    card(
        "pm_card_chargeDeclined",
        "visa",
        "Visa that is declined",
        "4000 0000 0000 0002",
        Charge::Declined,
    ),
    card(
        "pm_card_chargeCustomerFail",
        "visa",
        "Visa that is declined when it is charged",
        "4000 0000 0000 0341",
        Charge::DeclinedLater,
    ),
    card(
        "pm_card_amex",
        "amex",
        "American Express",
        "3782 822463 10005",
        Charge::Succeeds,
    ),
    card(
        "pm_card_visa_debit",
        "visa",
        "Visa debit",
        "4000 0566 5566 5556",
        Charge::Succeeds,
    ),
    card(
        "pm_card_bypassPending",
        "visa",
        "Visa",
        "4000 0000 0000 0077",
        Charge::Succeeds,
    ),
    card(
        "pm_card_createDisputeInquiry",
        "visa",
        "Visa",
        "4000 0000 0000 1976",
        Charge::Succeeds,
    ),
    card(
        "pm_card_visa_chargeDeclined",
        "visa",
        "Visa that is declined",
        "4000 0000 0000 9995",
        Charge::Declined,
    ),
    card(
        "pm_card_authenticationRequired",
        "visa",
        "Visa that asks its owner",
        "4000 0027 6000 3184",
        Charge::NeedsOwner,
    ),
    card(
        "pm_card_threeDSecure2Required",
        "visa",
        "Visa that asks its owner",
        "4000 0000 0000 3220",
        Charge::NeedsOwner,
    ),
];

impl TestCard {
    pub fn last4(&self) -> &str {
        let digits = self.number.len().saturating_sub(4);
        self.number.get(digits..).unwrap_or_default()
    }
}

/// Those among which a visitor chooses.
pub fn offered() -> &'static [TestCard] {
    TEST_CARDS.get(..OFFERED).unwrap_or(&TEST_CARDS)
}

/// By the name of a payment method (`pm_card_visa`), of a token (`tok_visa`), or by its number.
pub fn find(name: &str) -> Option<&'static TestCard> {
    let token = name
        .strip_prefix("tok_")
        .map_or_else(|| name.to_owned(), |rest| format!("pm_card_{rest}"));
    let digits = |text: &str| text.replace(' ', "");
    TEST_CARDS
        .iter()
        .find(|card| card.token == token || digits(card.number) == digits(name))
}

/// What charging a stored payment method leads to.
pub fn charge(method: &Value) -> Charge {
    if method["type"] != "card" {
        return Charge::Pends;
    }
    TEST_CARDS
        .iter()
        .find(|card| method["card"]["last4"] == *card.last4())
        .map_or(Charge::Succeeds, |card| card.charge)
}

/// A new card that belongs to nobody yet.
pub fn build(id: &str, card: &TestCard, created: i64) -> Value {
    json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": {
                "city": null,
                "country": null,
                "line1": null,
                "line2": null,
                "postal_code": null,
                "state": null,
            },
            "email": null,
            "name": null,
            "phone": null,
            "tax_id": null,
        },
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2030,
            "fingerprint": format!("SandboxCard{}", card.last4()),
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4(),
            "networks": { "available": [card.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": created,
        "customer": null,
        "customer_account": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

/// A bank account that is debited.
pub fn debit(id: &str, iban: &str, created: i64) -> Value {
    let mut method = TEST_CARDS
        .first()
        .map_or(Value::Null, |card| build(id, card, created));
    let last4 = iban.get(iban.len().saturating_sub(4)..).unwrap_or(iban);
    if let Some(fields) = method.as_object_mut() {
        fields.remove("card");
    }
    method["type"] = json!("sepa_debit");
    method["sepa_debit"] = json!({
        "bank_code": iban.get(4..9),
        "branch_code": null,
        "country": iban.get(..2),
        "fingerprint": format!("SandboxDebit{last4}"),
        "generated_from": { "charge": null, "setup_attempt": null },
        "last4": last4,
    });
    method
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_test_card_is_known_by_every_name_it_has() {
        for name in ["pm_card_visa", "tok_visa", "4242424242424242"] {
            assert_eq!(find(name).unwrap().token, "pm_card_visa");
        }
        assert!(find("pm_1").is_none());
    }

    #[test]
    fn the_last_digits_tell_the_cards_apart() {
        let ends: HashSet<&str> = TEST_CARDS.iter().map(TestCard::last4).collect();
        assert_eq!(ends.len(), TEST_CARDS.len());
        for card in &TEST_CARDS {
            assert_eq!(charge(&build("pm_1", card, 0)), card.charge);
        }
        assert_eq!(
            charge(&debit("pm_1", "AT611904300234573201", 0)),
            Charge::Pends
        );
    }
}
