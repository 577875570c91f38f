//! What has been billed so far: the last invoices of a subscription's life, and their payments.

use serde_json::{Value, json};

use super::{
    super::{
        clock::{self, DAY},
        events::Cause,
        invoices, payment_intents,
        payment_methods::Charge,
        state::State,
        subscriptions::{self, Draft, Item},
    },
    examples::{Example, Plan},
    price_id,
};

const INVOICES_EACH: usize = 3;
/// How long ago a trial began, and how long it lasts from now.
const TRIAL: (i64, i64) = (5 * DAY, 9 * DAY);

pub struct Bills {
    pub subscription: Value,
    pub invoices: Vec<Bill>,
}

pub struct Bill {
    invoice: Value,
    /// Payment intent and invoice payment, unless nothing was due.
    payment: Option<(Value, Value)>,
}

impl Bill {
    pub fn tell(self, state: &mut State, made: &Cause) {
        let paid = self.invoice["status"] == "paid";
        if let Some((intent, payment)) = self.payment {
            if paid {
                state.emit(made, "payment_intent.succeeded", &intent);
                state.emit(made, "invoice_payment.paid", &payment);
            } else {
                state.emit(made, "payment_intent.payment_failed", &intent);
            }
            state.payment_intents.put(intent);
            state.invoice_payments.put(payment);
        }
        let told = if paid {
            "invoice.paid"
        } else {
            "invoice.payment_failed"
        };
        state.emit(made, told, &self.invoice);
        state.invoices.put(self.invoice);
    }
}

pub fn bills(
    state: &State,
    customer: &mut Value,
    example: &Example,
    now: i64,
    created: i64,
) -> Option<Bills> {
    let price = state.prices.get(&price_id(example.price))?.clone();
    let periods = periods(example, &price, now, created);
    let begun = periods.first()?.0;
    let hidden = periods.len().saturating_sub(INVOICES_EACH);
    let mut done = None;
    let mut invoices = Vec::new();
    for (index, period) in periods.iter().enumerate().skip(hidden) {
        let last = index + 1 == periods.len();
        let since = index.checked_sub(1).and_then(|index| periods.get(index));
        let mut subscription = subscription(customer, example, &price, begun, *period);
        let failed = last && example.plan == Plan::PastDue;
        let id = format!("in_1{}{}", example.key, index - hidden);
        let bill = bill(
            state,
            customer,
            &subscription,
            &id,
            since.map(|period| period.0),
            failed,
        );
        subscription["latest_invoice"] = bill.invoice["id"].clone();
        invoices.push(bill);
        done = Some(subscription);
    }
    let mut subscription = done?;
    if example.plan == Plan::Ending {
        subscriptions::schedule_end(&mut subscription, now - 2 * DAY, false);
    }
    Some(Bills {
        subscription,
        invoices,
    })
}

/// All periods up to the one that runs now, or to the last that was paid for.
fn periods(example: &Example, price: &Value, now: i64, created: i64) -> Vec<(i64, i64)> {
    if example.plan == Plan::Trialing {
        return vec![(now - TRIAL.0, now + TRIAL.1)];
    }
    let until = if example.plan == Plan::Ended {
        clock::add_months(created, 5)
    } else {
        now
    };
    let mut periods = vec![(created, subscriptions::period_end(price, created))];
    let mut months = 1;
    while periods.last().is_some_and(|period| period.1 <= until) {
        // Counted from the first day, so that a subscription of the 31st comes back to it.
        periods.push((
            clock::add_months(created, months),
            clock::add_months(created, months + 1),
        ));
        months += 1;
    }
    periods
}

fn subscription(
    customer: &Value,
    example: &Example,
    price: &Value,
    created: i64,
    period: (i64, i64),
) -> Value {
    let status = match example.plan {
        Plan::PastDue => "past_due",
        Plan::Trialing => "trialing",
        _ => "active",
    };
    let item = Item {
        id: format!("si_{}", example.key),
        price: price.clone(),
        quantity: example.quantity,
        metadata: json!({}),
        period,
    };
    subscriptions::build(Draft {
        id: format!("sub_1{}", example.key),
        customer: customer["id"].as_str().unwrap_or_default(),
        items: vec![item],
        status,
        created,
        trial_end: (example.plan == Plan::Trialing).then_some(period.1),
    })
}

fn bill(
    state: &State,
    customer: &mut Value,
    subscription: &Value,
    id: &str,
    since: Option<i64>,
    failed: bool,
) -> Bill {
    let at = subscription["items"]["data"][0]["current_period_start"]
        .as_i64()
        .unwrap_or_default();
    let mut invoice = invoices::for_subscription(state, customer, subscription, id, at, since);
    invoices::number(&mut invoice, customer);
    invoices::open(&mut invoice, &state.base_url, at);
    if invoice["amount_due"] == 0 {
        invoices::settle(&mut invoice, at);
        return Bill {
            invoice,
            payment: None,
        };
    }
    let (mut intent, mut payment) = invoices::ask(&invoice, at);
    let tail = id.strip_prefix("in_").unwrap_or(id);
    intent["id"] = json!(format!("pi_{tail}"));
    payment["id"] = json!(format!("inpay_{tail}"));
    payment["payment"]["payment_intent"] = intent["id"].clone();
    let card = customer["invoice_settings"]["default_payment_method"].clone();
    let card = json!({ "id": card, "object": "payment_method", "type": "card" });
    if failed {
        payment_intents::attempt(&mut intent, &card, Charge::DeclinedLater);
        // The whole card would be here; the example has only its id at hand.
        if let Some(error) = intent["last_payment_error"].as_object_mut() {
            error.remove("payment_method");
        }
        invoices::fail(&mut invoice, at);
    } else {
        payment_intents::attempt(&mut intent, &card, Charge::Succeeds);
        invoices::settle_payment(&mut payment, at);
        invoices::count_attempt(&mut invoice);
        invoices::settle(&mut invoice, at);
    }
    Bill {
        invoice,
        payment: Some((intent, payment)),
    }
}

/// It ended in the past, though the event that tells of it is new.
pub fn backdated(mut subscription: Value) -> Value {
    let at = subscription["items"]["data"][0]["current_period_end"].clone();
    subscription["canceled_at"] = at.clone();
    subscription["ended_at"] = at;
    subscription
}
