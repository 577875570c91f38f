//! The way of an invoice from draft to paid, and what each step means for payment, subscription
//! and customer. Every change is told.

use serde_json::{Value, json};

use crate::{
    objects::events::Cause,
    shapes::{cards::Charge, invoice_payments, payment_intents},
    state::State,
    wire::{clock::DAY, ids},
};

/// When a failed payment is tried again, says the invoice.
const NEXT_TRY: i64 = 3 * DAY;

impl State {
    fn invoice(&self, id: &str) -> Value {
        self.invoices.get(id).cloned().unwrap_or_default()
    }

    pub fn update_invoice(&mut self, cause: &Cause, after: Value) {
        let before = self.invoice(after["id"].as_str().unwrap_or_default());
        self.emit_update(cause, "invoice.updated", &before, &after);
        self.invoices.put(after);
    }

    fn tell_invoice(&mut self, cause: &Cause, kind: &str, invoice: Value) {
        self.emit(cause, kind, &invoice);
        self.invoices.put(invoice);
    }

    /// What is to be paid with: the invoice's own, the subscription's, the customer's.
    pub fn payment_method_for(&self, owner: &Value, customer: &str) -> Option<Value> {
        let customer = self.customer(customer)?;
        [
            &owner["default_payment_method"],
            &customer["invoice_settings"]["default_payment_method"],
        ]
        .into_iter()
        .find_map(|id| self.payment_methods.get(id.as_str()?).cloned())
    }
}

/// Takes a draft in.
pub fn issue(state: &mut State, cause: &Cause, draft: Value) {
    state.tell_invoice(cause, "invoice.created", draft);
}

/// Gives the invoice its number; from here on it is to be paid. Of nothing, nothing is due.
pub fn finalize(state: &mut State, cause: &Cause, id: &str) {
    let mut invoice = state.invoice(id);
    if let Some(mut customer) = state.customer(invoice["customer"].as_str().unwrap_or_default()) {
        number(&mut invoice, &mut customer);
        state.update_customer(cause, customer);
    }
    open(&mut invoice, &state.base_url, cause.at);
    let due = invoice["amount_due"].as_i64().unwrap_or_default();
    state.tell_invoice(cause, "invoice.finalized", invoice.clone());
    if due > 0 {
        let (intent, payment) = ask(&invoice, cause.at);
        state.emit(cause, "payment_intent.created", &intent);
        state.payment_intents.put(intent);
        state.invoice_payments.put(payment);
    } else {
        settle(&mut invoice, cause.at);
        tell_paid(state, cause, invoice);
    }
}

/// The next number of the customer.
pub fn number(invoice: &mut Value, customer: &mut Value) {
    let sequence = customer["next_invoice_sequence"].as_i64().unwrap_or(1);
    let prefix = customer["invoice_prefix"].as_str().unwrap_or_default();
    invoice["number"] = json!(format!("{prefix}-{sequence:04}"));
    customer["next_invoice_sequence"] = json!(sequence.saturating_add(1));
    if customer["currency"].is_null() {
        customer["currency"] = invoice["currency"].clone();
    }
}

pub fn open(invoice: &mut Value, base_url: &str, at: i64) {
    let page = format!(
        "{base_url}/i/{}",
        invoice["id"].as_str().unwrap_or_default()
    );
    invoice["status"] = json!("open");
    invoice["effective_at"] = json!(at);
    invoice["ending_balance"] = json!(0);
    invoice["status_transitions"]["finalized_at"] = json!(at);
    invoice["webhooks_delivered_at"] = json!(at);
    invoice["invoice_pdf"] = json!(format!("{page}/pdf"));
    invoice["hosted_invoice_url"] = json!(page);
}

/// The payment intent for what is due, and what ties it to the invoice.
pub fn ask(invoice: &Value, at: i64) -> (Value, Value) {
    let due = invoice["amount_remaining"].as_i64().unwrap_or_default();
    let mut intent = payment_intents::build(
        &ids::long("pi_"),
        due,
        &invoice["currency"],
        &invoice["customer"],
        at,
    );
    let words = match invoice["billing_reason"].as_str() {
        Some("subscription_create") => "Subscription creation",
        Some("subscription_cycle") => "Subscription update",
        _ => "Payment for Invoice",
    };
    intent["description"] = json!(words);
    let payment = invoice_payments::build(&ids::long("inpay_"), invoice, &intent, at);
    (intent, payment)
}

pub fn settle(invoice: &mut Value, at: i64) {
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = json!(0);
    invoice["attempted"] = json!(true);
    invoice["auto_advance"] = json!(false);
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status"] = json!("paid");
    invoice["status_transitions"]["paid_at"] = json!(at);
}

pub fn settle_payment(payment: &mut Value, at: i64) {
    payment["amount_paid"] = payment["amount_requested"].clone();
    payment["status"] = json!("paid");
    payment["status_transitions"]["paid_at"] = json!(at);
}

pub fn fail(invoice: &mut Value, at: i64) {
    invoice["attempted"] = json!(true);
    count_attempt(invoice);
    if invoice["auto_advance"] == true {
        invoice["next_payment_attempt"] = json!(at + NEXT_TRY);
    }
}

pub fn count_attempt(invoice: &mut Value) {
    let attempts = invoice["attempt_count"].as_i64().unwrap_or_default();
    invoice["attempt_count"] = json!(attempts + 1);
}

/// Tries to get the money for an open invoice. The payment intent is in the answer, for the
/// refusal.
pub fn collect(
    state: &mut State,
    cause: &Cause,
    id: &str,
    method: &Value,
    outcome: Charge,
) -> Value {
    let mut invoice = state.invoice(id);
    let (mut intent, mut payment) = payment_of(state, id);
    let told = payment_intents::attempt(&mut intent, method, outcome);
    state.emit(cause, told, &intent);
    state.payment_intents.put(intent.clone());
    match outcome {
        Charge::Succeeds => {
            settle_payment(&mut payment, cause.at);
            state.emit(cause, "invoice_payment.paid", &payment);
            state.invoice_payments.put(payment);
            count_attempt(&mut invoice);
            settle(&mut invoice, cause.at);
            tell_paid(state, cause, invoice);
        }
        Charge::Declined | Charge::DeclinedLater => {
            fail(&mut invoice, cause.at);
            state.tell_invoice(cause, "invoice.payment_failed", invoice.clone());
            fall_behind(state, cause, &invoice);
        }
        Charge::NeedsOwner => {
            fail(&mut invoice, cause.at);
            state.tell_invoice(cause, "invoice.payment_action_required", invoice);
        }
        Charge::Pends => {}
    }
    intent
}

/// The invoice's payment intent and what ties it to the invoice.
fn payment_of(state: &State, invoice: &str) -> (Value, Value) {
    let payment = state
        .invoice_payments
        .iter()
        .find(|payment| payment["invoice"] == *invoice)
        .cloned()
        .unwrap_or_default();
    let intent = payment["payment"]["payment_intent"]
        .as_str()
        .and_then(|id| state.payment_intents.get(id));
    (intent.cloned().unwrap_or_default(), payment)
}

/// A subscription that waited for the money goes on, and the customer owes nothing.
fn tell_paid(state: &mut State, cause: &Cause, invoice: Value) {
    state.emit(cause, "invoice.paid", &invoice);
    state.tell_invoice(cause, "invoice.payment_succeeded", invoice.clone());
    if let Some(mut subscription) = subscription_of(state, &invoice)
        && ["incomplete", "past_due", "unpaid"].contains(&status(&subscription).as_str())
        && subscription["latest_invoice"] == invoice["id"]
    {
        subscription["status"] = json!("active");
        state.update_subscription(cause, subscription);
    }
    set_delinquent(state, cause, &invoice, false);
}

/// A running subscription is overdue; one that was never paid for keeps waiting.
fn fall_behind(state: &mut State, cause: &Cause, invoice: &Value) {
    let Some(mut subscription) = subscription_of(state, invoice) else {
        return;
    };
    if status(&subscription) == "active" {
        subscription["status"] = json!("past_due");
        state.update_subscription(cause, subscription);
    }
    if invoice["billing_reason"] != "subscription_create" {
        set_delinquent(state, cause, invoice, true);
    }
}

fn set_delinquent(state: &mut State, cause: &Cause, invoice: &Value, delinquent: bool) {
    if let Some(mut customer) = state.customer(invoice["customer"].as_str().unwrap_or_default()) {
        customer["delinquent"] = json!(delinquent);
        state.update_customer(cause, customer);
    }
}

fn subscription_of(state: &State, invoice: &Value) -> Option<Value> {
    let id = invoice["parent"]["subscription_details"]["subscription"].as_str()?;
    state.subscriptions.get(id).cloned()
}

fn status(object: &Value) -> String {
    object["status"].as_str().unwrap_or_default().to_owned()
}

/// Ends what can no longer be paid.
pub fn give_up(state: &mut State, cause: &Cause, invoice: &str) {
    let (mut intent, mut payment) = payment_of(state, invoice);
    if intent["status"].is_null() || intent["status"] == "succeeded" {
        return;
    }
    intent["status"] = json!("canceled");
    intent["canceled_at"] = json!(cause.at);
    intent["cancellation_reason"] = json!("void_invoice");
    payment["status"] = json!("canceled");
    payment["status_transitions"]["canceled_at"] = json!(cause.at);
    state.emit(cause, "payment_intent.canceled", &intent);
    state.payment_intents.put(intent);
    state.invoice_payments.put(payment);
}
