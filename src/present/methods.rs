//! Payment methods in the words that their owners use.
//!
//! The API's values come from <https://docs.stripe.com/api/payment_methods/object> and from the types of npm's `stripe` 23.1.0, with
//! those of older cards, bank accounts and sources.

use std::collections::BTreeSet;

use crate::domain::cards::{
    api_word,
    card::{PaymentMethods, SavedMethod},
};

/// Pairs of the API's value and our text, sorted.
type Table = &'static [(&'static str, &'static str)];

/// Without `custom`, which has a display name of its own.
const TYPES: Table = &[
    ("ach_credit_transfer", "Bank transfer"),
    ("ach_debit", "Bank account"),
    ("acss_debit", "Bank account"),
    ("affirm", "Affirm"),
    ("afterpay_clearpay", "Afterpay (Clearpay)"),
    ("alipay", "Alipay"),
    ("alma", "Alma"),
    ("amazon_pay", "Amazon Pay"),
    ("au_becs_debit", "BECS Direct Debit"),
    ("bacs_debit", "Bacs Direct Debit"),
    ("bancontact", "Bancontact"),
    ("bank_account", "Bank account"),
    ("billie", "Billie"),
    ("bitcoin", "Bitcoin"),
    ("bizum", "Bizum"),
    ("blik", "BLIK"),
    ("boleto", "Boleto"),
    ("card", "Card"),
    ("card_present", "Card"),
    ("cashapp", "Cash App"),
    ("crypto", "Crypto"),
    ("customer_balance", "Bank transfer"),
    ("eps", "EPS"),
    ("fpx", "FPX"),
    ("gcash", "GCash"),
    ("giropay", "giropay"),
    ("gopay", "GoPay"),
    ("grabpay", "GrabPay"),
    ("ideal", "iDEAL"),
    ("interac_present", "Interac"),
    ("jp_credit_transfer", "Bank transfer"),
    ("kakao_pay", "Kakao Pay"),
    ("klarna", "Klarna"),
    ("konbini", "Konbini"),
    ("kr_card", "Korean card"),
    ("link", "Link"),
    ("mb_way", "MB WAY"),
    ("mobilepay", "MobilePay"),
    ("multibanco", "Multibanco"),
    ("naver_pay", "Naver Pay"),
    ("nz_bank_account", "Bank account"),
    ("oxxo", "OXXO"),
    ("p24", "Przelewy24"),
    ("pay_by_bank", "Pay by bank"),
    ("payco", "PAYCO"),
    ("paynow", "PayNow"),
    ("paypal", "PayPal"),
    ("paypay", "PayPay"),
    ("payto", "PayTo"),
    ("pix", "Pix"),
    ("promptpay", "PromptPay"),
    ("qris", "QRIS"),
    ("rechnung", "Rechnung"),
    ("revolut_pay", "Revolut Pay"),
    ("samsung_pay", "Samsung Pay"),
    ("satispay", "Satispay"),
    ("scalapay", "Scalapay"),
    ("sepa_credit_transfer", "Bank transfer"),
    ("sepa_debit", "SEPA Direct Debit"),
    ("sequra", "seQura"),
    ("shop_pay", "Shop Pay"),
    ("shopeepay", "ShopeePay"),
    ("sofort", "Sofort"),
    ("stripe_balance", "Stripe balance"),
    ("sunbit", "Sunbit"),
    ("swish", "Swish"),
    ("three_d_secure", "Card"),
    ("twint", "TWINT"),
    ("upi", "UPI"),
    ("us_bank_account", "Bank account"),
    ("vipps", "Vipps"),
    ("wechat", "WeChat Pay"),
    ("wechat_pay", "WeChat Pay"),
    ("wero", "Wero"),
    ("zip", "Zip"),
];

/// Without `unknown` and `other`, which are shown as a plain card.
const BRANDS: Table = &[
    ("american_express", "American Express"),
    ("amex", "American Express"),
    ("cartes_bancaires", "Cartes Bancaires"),
    ("diners", "Diners Club"),
    ("diners_club", "Diners Club"),
    ("discover", "Discover"),
    ("eftpos_au", "eftpos"),
    ("eftpos_australia", "eftpos"),
    ("girocard", "girocard"),
    ("interac", "Interac"),
    ("jcb", "JCB"),
    ("link", "Link"),
    ("mastercard", "Mastercard"),
    ("union_pay", "UnionPay"),
    ("unionpay", "UnionPay"),
    ("visa", "Visa"),
];

const KOREAN_ISSUERS: Table = &[
    ("bc", "BC Card"),
    ("citi", "Citi Card"),
    ("hana", "Hana Card"),
    ("hyundai", "Hyundai Card"),
    ("jeju", "Jeju Bank card"),
    ("jeonbuk", "Jeonbuk Bank card"),
    ("kakaobank", "KakaoBank card"),
    ("kbank", "Kbank card"),
    ("kdbbank", "KDB Bank card"),
    ("kookmin", "KB Kookmin Card"),
    ("kwangju", "Kwangju Bank card"),
    ("lotte", "Lotte Card"),
    ("mg", "MG Saemaul Geumgo card"),
    ("nh", "NH NongHyup Card"),
    ("post", "Korea Post card"),
    ("samsung", "Samsung Card"),
    ("savingsbank", "Savings bank card"),
    ("shinhan", "Shinhan Card"),
    ("shinhyup", "Shinhyup card"),
    ("suhyup", "Suhyup Bank card"),
    ("tossbank", "Toss Bank card"),
    ("woori", "Woori Card"),
];

/// Follows "Pays with". Needed since Stripe adds types without a new API version.
const UNKNOWN: &str = "a saved payment method";

/// Formats `Pays with Visa ending in 4242, valid until 12/2027`, or `Pays by invoice`.
pub fn words(paid: &PaymentMethods) -> String {
    if paid.methods.is_empty() {
        return "Pays by invoice".to_owned();
    }
    // Deduplicated: a reader cannot tell methods apart that have the same text.
    let words: BTreeSet<_> = paid.methods.iter().map(method).collect();
    let words: Vec<_> = words.into_iter().collect();
    let also = if paid.by_invoice {
        ", and by invoice"
    } else {
        ""
    };
    format!("Pays with {}{also}", words.join("; "))
}

fn method(method: &SavedMethod) -> String {
    let brand = method.brand.as_deref();
    let known = |table: Table| brand.and_then(|brand| find(table, &api_word(brand)));
    let own_name = match method.kind.as_str() {
        "card" | "card_present" | "interac_present" | "three_d_secure" => {
            known(BRANDS).map(str::to_owned)
        }
        "kr_card" => known(KOREAN_ISSUERS).map(str::to_owned),
        "custom" => brand.map(str::to_owned),
        // Sources of other types name a bank too: the one that receives the payment, or one behind a better-known name.
        "ach_debit" | "acss_debit" | "bank_account" | "nz_bank_account" | "us_bank_account" => {
            brand.map(|bank| format!("{bank} account"))
        }
        _ => None,
    };
    let name = own_name.unwrap_or_else(|| find(TYPES, &method.kind).unwrap_or(UNKNOWN).to_owned());
    let last4 = method.last4.as_ref();
    let last4 = last4.map(|digits| format!(" ending in {digits}"));
    let until = method.expiry.map(|expiry| {
        let (month, year) = (expiry.month, expiry.year);
        match expiry.has_expired {
            true => format!(", expired {month:02}/{year}"),
            false => format!(", valid until {month:02}/{year}"),
        }
    });
    [Some(name), last4, until].into_iter().flatten().collect()
}

fn find(table: Table, word: &str) -> Option<&'static str> {
    let row = table.iter().find(|(known, _)| *known == word);
    row.map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::mirror::PaymentMethod;

    fn in_words(row: &PaymentMethod) -> String {
        method_in_words(row, 0)
    }

    fn method_in_words(row: &PaymentMethod, now: i64) -> String {
        method(&SavedMethod::of(row, now))
    }

    fn said(kind: &str, brand: &str, last4: &str) -> String {
        in_words(&PaymentMethod {
            r#type: Some(kind.to_owned()),
            brand: Some(brand.to_owned()),
            last4: Some(last4.to_owned()),
            ..PaymentMethod::default()
        })
    }

    #[test]
    fn tables_are_sorted_and_hold_no_word_twice() {
        for table in [TYPES, BRANDS, KOREAN_ISSUERS] {
            for pair in table.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{pair:?}");
            }
        }
    }

    #[test]
    fn everything_in_the_tables_is_found() {
        let types = TYPES.iter().map(|row| (said(row.0, "", ""), row.1));
        let cards = BRANDS.iter().map(|row| (said("card", row.0, ""), row.1));
        let korean = KOREAN_ISSUERS
            .iter()
            .map(|row| (said("kr_card", row.0, ""), row.1));
        for (said, words) in types.chain(cards).chain(korean) {
            assert_eq!(said, words);
            assert!(!said.contains('_') && !said.is_empty(), "{said}");
        }
    }

    #[test]
    fn methods_are_named_as_people_name_them() {
        for (kind, brand, last4, words) in [
            ("card", "visa", "4242", "Visa ending in 4242"),
            ("card", " VISA ", " ", "Visa"),
            ("card", "Amex", "", "American Express"),
            ("card", "Diners Club", "", "Diners Club"),
            ("card", "Eftpos Australia", "", "eftpos"),
            ("card", "MasterCard", "", "Mastercard"),
            ("card", "unknown", "1234", "Card ending in 1234"),
            ("card", "new_brand", "1234", "Card ending in 1234"),
            ("kr_card", "hyundai", "", "Hyundai Card"),
            ("kr_card", "new_bank", "1234", "Korean card ending in 1234"),
            ("link", "", "", "Link"),
            ("paypal", "visa", "", "PayPal"),
            ("cashapp", "", "", "Cash App"),
            ("customer_balance", "", "", "Bank transfer"),
            ("pay_by_bank", "", "", "Pay by bank"),
            ("bacs_debit", "", "2345", "Bacs Direct Debit ending in 2345"),
            ("sepa_debit", "", "3000", "SEPA Direct Debit ending in 3000"),
            ("bank_account", "FJORD_1", "", "FJORD_1 account"),
            ("custom", "Shop voucher", "", "Shop voucher"),
            ("custom", "", "", "a saved payment method"),
            ("new_type", "visa", "", "a saved payment method"),
            ("new", "", "1", "a saved payment method ending in 1"),
        ] {
            assert_eq!(said(kind, brand, last4), words, "{kind} {brand}");
        }
        for kind in ["us_bank_account", "acss_debit"] {
            let said = said(kind, "HARBOUR CREDIT UNION", "6789");
            assert_eq!(said, "HARBOUR CREDIT UNION account ending in 6789");
        }
        let said = said("us_bank_account", " ", "6789");
        assert_eq!(said, "Bank account ending in 6789");
    }

    #[test]
    fn a_card_says_until_when_and_needs_no_type() {
        let card = PaymentMethod {
            brand: Some("visa".to_owned()),
            last4: Some("4242".to_owned()),
            exp_month: Some(4),
            exp_year: Some(2030),
            ..PaymentMethod::default()
        };
        let words = "Visa ending in 4242, valid until 04/2030";
        assert_eq!(in_words(&card), words);
        let over = method_in_words(&card, 4_000_000_000);
        assert!(over.contains(", expired "), "{over}");
        assert_eq!(in_words(&PaymentMethod::default()), "Card");
    }
}
