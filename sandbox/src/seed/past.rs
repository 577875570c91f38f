//! What has been billed so far: the last invoices of a subscription's life, and their payments.

use serde_json::{Value, json};

use crate::{
    objects::{billing, events::Cause, invoices},
    seed::examples::{COUPON, Example, Plan, price_id},
    shapes::{
        cards::Charge,
        discounts, payment_intents,
        subscriptions::{self, Draft, Item},
    },
    state::State,
    wire::clock::{self, DAY},
};

const INVOICES_EACH: usize = 3;
/// How long ago a trial began, and how long it lasts from now.
const TRIAL: (i64, i64) = (5 * DAY, 9 * DAY);
/// However long ago the last try was, the next is still to come.
const NEXT_TRY: i64 = 2 * DAY;
/// How long ago an invoice was sent that is not paid, and how many days it gave.
const SENT: i64 = 20 * DAY;
const DAYS_UNTIL_DUE: i64 = 14;
/// How many months a fixed term still has.
const TERM: i64 = 11;

pub struct Bills {
    pub subscription: Value,
    /// With its coupon.
    pub discount: Option<Value>,
    pub invoices: Vec<Bill>,
}

/// What became of an invoice.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Paid,
    Failed,
    /// Nobody has tried to pay it.
    Sent,
}

pub struct Bill {
    invoice: Value,
    /// Payment intent and invoice payment, unless nothing was due.
    payment: Option<(Value, Value)>,
}

impl Bill {
    pub fn tell(self, state: &mut State, made: &Cause) {
        let paid = self.invoice["status"] == "paid";
        let (told, told_of_intent) = match (paid, self.invoice["attempted"] == true) {
            (true, _) => ("invoice.paid", "payment_intent.succeeded"),
            (false, true) => ("invoice.payment_failed", "payment_intent.payment_failed"),
            (false, false) => ("invoice.finalized", "payment_intent.created"),
        };
        if let Some((intent, payment)) = self.payment {
            state.emit(made, told_of_intent, &intent);
            if paid {
                state.emit(made, "invoice_payment.paid", &payment);
            }
            state.payment_intents.put(intent);
            state.invoice_payments.put(payment);
        }
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
    let discount = discount(state, customer, example, begun);
    let mut done = None;
    let mut invoices = Vec::new();
    for (index, period) in periods.iter().enumerate().skip(hidden) {
        let last = index + 1 == periods.len();
        let since = index.checked_sub(1).and_then(|index| periods.get(index));
        let mut subscription = subscription(customer, example, &price, begun, *period);
        let fate = match example.plan {
            Plan::PastDue if last => Fate::Failed,
            Plan::Late if last => Fate::Sent,
            _ => Fate::Paid,
        };
        let id = format!("in_1{}{}", example.key, index - hidden);
        let mut bill = bill(
            state,
            customer,
            &subscription,
            discount.as_slice(),
            &id,
            since.map(|period| period.0),
            fate,
        );
        if fate == Fate::Failed {
            bill.invoice["next_payment_attempt"] = json!(now + NEXT_TRY);
        }
        subscription["latest_invoice"] = bill.invoice["id"].clone();
        invoices.push(bill);
        done = Some(subscription);
    }
    let mut subscription = done?;
    match example.plan {
        Plan::Ending => subscriptions::schedule_end(&mut subscription, now - 2 * DAY, false),
        Plan::Term => {
            subscriptions::schedule_end(&mut subscription, begun, false);
            subscription["cancel_at"] = json!(clock::add_months(now, TERM));
        }
        Plan::Presented => {
            subscription["presentment_details"] = json!({ "presentment_currency": "cad" });
        }
        _ => {}
    }
    if let Some(discount) = &discount {
        subscription["discounts"] = json!([discount["id"]]);
    }
    Some(Bills {
        subscription,
        discount,
        invoices,
    })
}

/// What the coupon has been for the subscription from its first day on.
fn discount(state: &State, customer: &Value, example: &Example, begun: i64) -> Option<Value> {
    if example.plan != Plan::Discounted {
        return None;
    }
    let coupon = state.coupons.get(COUPON)?;
    let mut discount = discounts::build(&format!("di_1{}", example.key), coupon, begun);
    discount["customer"] = customer["id"].clone();
    discount["subscription"] = json!(format!("sub_1{}", example.key));
    Some(discount)
}

/// All periods up to the one that runs now, or to the last that was paid for.
fn periods(example: &Example, price: &Value, now: i64, created: i64) -> Vec<(i64, i64)> {
    if example.plan == Plan::Trialing {
        return vec![(now - TRIAL.0, now + TRIAL.1)];
    }
    if example.plan == Plan::Late {
        let sent = now - SENT;
        let months = |count: i64| clock::add_months(sent, count);
        return vec![
            (months(-2), months(-1)),
            (months(-1), sent),
            (sent, months(1)),
        ];
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
        Plan::PastDue | Plan::Late => "past_due",
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
    let mut subscription = subscriptions::build(Draft {
        id: format!("sub_1{}", example.key),
        customer: customer["id"].as_str().unwrap_or_default(),
        items: vec![item],
        status,
        created,
        trial_end: (example.plan == Plan::Trialing).then_some(period.1),
    });
    if example.plan == Plan::Late {
        subscription["collection_method"] = json!("send_invoice");
        subscription["days_until_due"] = json!(DAYS_UNTIL_DUE);
    }
    subscription
}

fn bill(
    state: &State,
    customer: &mut Value,
    subscription: &Value,
    discounts: &[Value],
    id: &str,
    since: Option<i64>,
    fate: Fate,
) -> Bill {
    let at = subscription["items"]["data"][0]["current_period_start"]
        .as_i64()
        .unwrap_or_default();
    let mut invoice =
        invoices::for_subscription(state, customer, subscription, discounts, id, at, since);
    billing::number(&mut invoice, customer);
    billing::open(&mut invoice, &state.base_url, at);
    if invoice["amount_due"] == 0 {
        billing::settle(&mut invoice, at);
        return Bill {
            invoice,
            payment: None,
        };
    }
    let (mut intent, mut payment) = billing::ask(&invoice, at);
    let tail = id.strip_prefix("in_").unwrap_or(id);
    intent["id"] = json!(format!("pi_{tail}"));
    payment["id"] = json!(format!("inpay_{tail}"));
    payment["payment"]["payment_intent"] = intent["id"].clone();
    let card = customer["invoice_settings"]["default_payment_method"].clone();
    let card = json!({ "id": card, "object": "payment_method", "type": "card" });
    match fate {
        Fate::Failed => {
            payment_intents::attempt(&mut intent, &card, Charge::DeclinedLater);
            // The whole card would be here; the example has only its id at hand.
            if let Some(error) = intent["last_payment_error"].as_object_mut() {
                error.remove("payment_method");
            }
            billing::fail(&mut invoice, at);
        }
        Fate::Paid => {
            payment_intents::attempt(&mut intent, &card, Charge::Succeeds);
            billing::settle_payment(&mut payment, at);
            billing::count_attempt(&mut invoice);
            billing::settle(&mut invoice, at);
        }
        Fate::Sent => {}
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
