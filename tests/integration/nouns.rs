//! The ordering rule over all nouns at once, as a property: a small shop lives through a random
//! history, in which one object is inside another. Its events come in any order, some twice, many
//! of one second, with pages of an import and refetches of any age in between. When all have come,
//! every row is what the shop was in the end.

use std::{collections::BTreeMap, sync::LazyLock};

use billhook::{
    clock,
    domain::{
        mirror::{Kind, Noun, Visit, visit_all},
        refetch,
        sync::{self, Ours},
    },
    store::{
        self, Store, Tx,
        bulk::Cell,
        customer::Customer,
        event::{Filter, State},
        mirror::{
            self, CheckoutSession, Coupon, Discount, EntitlementSummary, Invoice, InvoicePayment,
            PaymentIntent, PaymentMethod, Price, Product, Subscription, SubscriptionItem,
        },
        row::{self, PlainRow, Row},
    },
    stripe::Event,
};
use futures::FutureExt;
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::event,
    payloads::events_in,
};

on_both_engines!(checklist_46_the_rows_of_all_nouns_end_as_their_history_did);

/// Nouns with a life of their own in the shop. Of the others the payload of today is taken, and the numbers in it
/// change.
const OWN: [Kind; 12] = [
    Kind::Customer,
    Kind::Subscription,
    Kind::Invoice,
    Kind::PaymentMethod,
    Kind::Product,
    Kind::Price,
    Kind::PaymentIntent,
    Kind::InvoicePayment,
    Kind::CheckoutSession,
    Kind::EntitlementSummary,
    Kind::Coupon,
    Kind::Discount,
];

/// The first payload of today of each noun.
static PAYLOADS: LazyLock<BTreeMap<Kind, Value>> = LazyLock::new(|| {
    let events = events_in("today").into_iter().rev();
    let object = |event: Event| Some((Kind::of_type(&event.r#type)?, event.object));
    events.filter_map(|(_, event)| object(event)).collect()
});

/// All whole numbers in it are so much greater.
fn varied(value: &mut Value, by: i64) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| varied(value, by)),
        Value::Object(map) => map.values_mut().for_each(|value| varied(value, by)),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                *value = json!(number + by);
            }
        }
        _ => {}
    }
}

/// The type of an event of this noun that ends like this, or else of any.
fn type_of(kind: Kind, end: &str) -> &'static str {
    let events = kind.about().events;
    let found = events.iter().find(|r#type| r#type.ends_with(end));
    found.or(events.first()).unwrap()
}

/// Not every event of these says what was before, so of one second Stripe may have to be asked. The
/// others must do without.
const ASKED: [Kind; 4] = [
    Kind::Invoice,
    Kind::PaymentMethod,
    Kind::PaymentIntent,
    Kind::EntitlementSummary,
];

/// What happens next to one object.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// One of its fields moves on to the next of three values.
    Turn,
    /// A subscription has one item or two.
    Items,
    /// It comes to its end; an invoice is finalized first.
    End,
}

#[derive(Clone, Debug)]
enum Arrival {
    Event(Index),
    /// The object as it was then, read at most so many seconds later.
    Page(Kind, Index, i64),
}

/// All that can differ in the shop.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shop {
    /// Makes the ids those of this shop.
    name: String,
    name_of_customer: i64,
    is_customer_gone: bool,
    quantity: i64,
    has_two_items: bool,
    is_canceled: bool,
    total: i64,
    /// How often somebody tried to pay.
    attempts: i64,
    /// Of `draft`, `open` and `paid`.
    progress: usize,
    expires: i64,
    is_detached: bool,
    name_of_product: i64,
    is_product_gone: bool,
    nickname: i64,
    is_price_gone: bool,
    /// Of `requires_payment_method`, `processing` and `requires_action`.
    payment: i64,
    is_paid: bool,
    is_allocated: bool,
    is_checkout_paid: bool,
    /// How many features the customer may use.
    features: i64,
    name_of_coupon: i64,
    is_coupon_gone: bool,
    ends_of_discount: i64,
    is_discount_gone: bool,
    /// How far the nouns without a life of their own have come.
    turns: BTreeMap<Kind, i64>,
    /// Whether events of deletions hold no more than the id.
    is_bare: bool,
}

impl Shop {
    fn id(&self, kind: Kind) -> String {
        let prefix = match kind {
            Kind::Customer => "cus",
            Kind::Subscription => "sub",
            Kind::Invoice => "in",
            Kind::PaymentMethod => "pm",
            Kind::Product => "prod",
            Kind::Price => "price",
            Kind::PaymentIntent => "pi",
            Kind::InvoicePayment => "inpay",
            Kind::CheckoutSession => "cs",
            Kind::Coupon => "coupon",
            Kind::Discount => "di",
            // It has none, and is kept under the customer's.
            Kind::EntitlementSummary => "cus",
            kind => return format!("{kind:?}_{}", self.name),
        };
        format!("{prefix}_{}", self.name)
    }

    /// The object as Stripe would give it now.
    fn object(&self, kind: Kind) -> Value {
        let id = self.id(kind);
        let customer = self.id(Kind::Customer);
        match kind {
            Kind::Customer => json!({
                "id": id, "object": "customer", "email": "Ada@Example.com", "created": 1,
                "name": format!("name {}", self.name_of_customer),
            }),
            Kind::Subscription => {
                let items: Vec<_> = (0..=i64::from(self.has_two_items))
                    .map(|number| {
                        json!({
                            "id": format!("si_{number}"), "object": "subscription_item",
                            "quantity": self.quantity + number, "price": self.object(Kind::Price),
                        })
                    })
                    .collect();
                json!({
                    "id": id, "object": "subscription", "customer": customer, "created": 1,
                    "status": if self.is_canceled { "canceled" } else { "active" },
                    "items": { "object": "list", "has_more": false, "data": items },
                    "discounts": [self.object(Kind::Discount)],
                })
            }
            Kind::Coupon => json!({
                "id": id, "object": "coupon", "percent_off": 12.5, "duration": "forever", "created": 1,
                "name": format!("name {}", self.name_of_coupon),
            }),
            Kind::Discount => json!({
                "id": id, "object": "discount", "customer": customer, "start": 1,
                "end": self.ends_of_discount, "source": { "coupon": self.object(Kind::Coupon) },
            }),
            Kind::Invoice => json!({
                "id": id, "object": "invoice", "customer": customer, "created": 1,
                "status": self.status(),
                "total": self.total, "attempt_count": self.attempts,
            }),
            Kind::PaymentMethod => json!({
                "id": id, "object": "payment_method", "type": "card", "created": 1,
                "customer": (!self.is_detached).then_some(customer),
                "card": { "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": self.expires },
            }),
            Kind::Product => json!({
                "id": id, "object": "product", "active": true, "created": 1,
                "name": format!("name {}", self.name_of_product),
            }),
            Kind::Price => json!({
                "id": id, "object": "price", "product": self.id(Kind::Product), "active": true,
                "currency": "eur", "unit_amount": 900, "created": 1,
                "nickname": format!("name {}", self.nickname),
            }),
            Kind::PaymentIntent => json!({
                "id": id, "object": "payment_intent", "customer": customer, "created": 1,
                "currency": "eur", "amount": 900, "status": self.payment_status(),
            }),
            Kind::InvoicePayment => json!({
                "id": id, "object": "invoice_payment", "invoice": self.id(Kind::Invoice), "created": 1,
                "currency": "eur", "amount_requested": 900, "is_default": true,
                "status": if self.is_allocated { "paid" } else { "open" },
                "payment": { "type": "payment_intent", "payment_intent": self.id(Kind::PaymentIntent) },
            }),
            Kind::CheckoutSession => json!({
                "id": id, "object": "checkout.session", "customer": customer, "created": 1,
                "mode": "payment", "status": "complete",
                "payment_status": if self.is_checkout_paid { "paid" } else { "unpaid" },
            }),
            Kind::EntitlementSummary => {
                let data: Vec<_> = (0..self.features)
                    .map(|number| json!({ "object": "entitlements.active_entitlement", "lookup_key": format!("feature_{number}") }))
                    .collect();
                json!({
                    "object": "entitlements.active_entitlement_summary", "customer": customer,
                    "entitlements": { "object": "list", "has_more": false, "data": data },
                })
            }
            kind => {
                let mut object = PAYLOADS[&kind].clone();
                varied(
                    &mut object,
                    self.turns.get(&kind).copied().unwrap_or_default(),
                );
                object["id"] = json!(id);
                object
            }
        }
    }

    fn payment_status(&self) -> &'static str {
        match (self.is_paid, self.payment) {
            (true, _) => "succeeded",
            (false, 0) => "requires_payment_method",
            (false, 1) => "processing",
            (false, _) => "requires_action",
        }
    }

    fn status(&self) -> &'static str {
        ["draft", "open", "paid"][self.progress]
    }

    fn is_gone(&self, kind: Kind) -> bool {
        match kind {
            Kind::Customer => self.is_customer_gone,
            Kind::Product => self.is_product_gone,
            Kind::Price => self.is_price_gone,
            Kind::Coupon => self.is_coupon_gone,
            Kind::Discount => self.is_discount_gone,
            _ => false,
        }
    }

    /// Whether nothing can happen to it any more.
    fn is_over(&self, kind: Kind) -> bool {
        match kind {
            Kind::Subscription => self.is_canceled,
            Kind::Invoice => self.progress == 2,
            Kind::PaymentMethod => self.is_detached,
            Kind::PaymentIntent => self.is_paid,
            Kind::InvoicePayment => self.is_allocated,
            Kind::CheckoutSession => self.is_checkout_paid,
            kind => self.is_gone(kind),
        }
    }

    /// Does it, and returns the type of its event and whether that says what was before.
    fn change(&mut self, kind: Kind, change: Change) -> (&'static str, bool) {
        let next = |value: &mut i64| *value = (*value + 1) % 3;
        match (kind, change) {
            (Kind::Customer, Change::End) => {
                self.is_customer_gone = true;
                ("customer.deleted", false)
            }
            (Kind::Customer, _) => {
                next(&mut self.name_of_customer);
                ("customer.updated", true)
            }
            (Kind::Subscription, Change::End) => {
                self.is_canceled = true;
                ("customer.subscription.deleted", false)
            }
            (Kind::Subscription, Change::Items) => {
                self.has_two_items = !self.has_two_items;
                ("customer.subscription.updated", true)
            }
            (Kind::Subscription, Change::Turn) => {
                next(&mut self.quantity);
                ("customer.subscription.updated", true)
            }
            (Kind::Invoice, Change::End) => {
                self.progress += 1;
                let types = ["invoice.finalized", "invoice.paid"];
                (types[self.progress - 1], false)
            }
            (Kind::Invoice, _) => {
                if self.progress == 0 {
                    next(&mut self.total);
                } else {
                    self.attempts += 1;
                }
                ("invoice.updated", true)
            }
            (Kind::PaymentMethod, Change::End) => {
                self.is_detached = true;
                ("payment_method.detached", true)
            }
            (Kind::PaymentMethod, _) => {
                next(&mut self.expires);
                ("payment_method.updated", true)
            }
            (Kind::Product, Change::End) => {
                self.is_product_gone = true;
                ("product.deleted", false)
            }
            (Kind::Product, _) => {
                next(&mut self.name_of_product);
                ("product.updated", true)
            }
            (Kind::Price, Change::End) => {
                self.is_price_gone = true;
                ("price.deleted", false)
            }
            (Kind::Price, _) => {
                next(&mut self.nickname);
                ("price.updated", true)
            }
            (Kind::Coupon, Change::End) => {
                self.is_coupon_gone = true;
                ("coupon.deleted", false)
            }
            (Kind::Coupon, _) => {
                next(&mut self.name_of_coupon);
                ("coupon.updated", true)
            }
            (Kind::Discount, Change::End) => {
                self.is_discount_gone = true;
                ("customer.discount.deleted", false)
            }
            (Kind::Discount, _) => {
                next(&mut self.ends_of_discount);
                ("customer.discount.updated", true)
            }
            (Kind::PaymentIntent, Change::End) => {
                self.is_paid = true;
                ("payment_intent.succeeded", false)
            }
            (Kind::PaymentIntent, _) => {
                next(&mut self.payment);
                let r#type = match self.payment {
                    0 => "payment_intent.payment_failed",
                    1 => "payment_intent.processing",
                    _ => "payment_intent.requires_action",
                };
                (r#type, false)
            }
            (Kind::InvoicePayment, _) => {
                self.is_allocated = true;
                ("invoice_payment.paid", false)
            }
            (Kind::CheckoutSession, _) => {
                self.is_checkout_paid = true;
                ("checkout.session.async_payment_succeeded", false)
            }
            (Kind::EntitlementSummary, _) => {
                next(&mut self.features);
                ("entitlements.active_entitlement_summary.updated", true)
            }
            (kind, _) => {
                next(self.turns.entry(kind).or_default());
                (type_of(kind, ".updated"), true)
            }
        }
    }
}

/// What Stripe calls previous: the old values of the fields that differ, in maps one by one.
fn previous(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return before.clone();
    };
    let mut differing = Map::new();
    for (key, old) in before {
        let new = after.get(key).unwrap_or(&Value::Null);
        if old != new {
            differing.insert(key.clone(), previous(old, new));
        }
    }
    Value::Object(differing)
}

/// The shop after something happened in it, when that was, and the event that says so.
#[derive(Clone, Debug)]
struct Moment {
    at: i64,
    kind: Kind,
    shop: Shop,
    event: Event,
}

fn history(steps: &[(i64, Kind, Change)], is_bare: bool) -> Vec<Moment> {
    let mut at = 1_700_000_000;
    let mut shop = Shop {
        name: clock::new_id("x"),
        is_bare,
        ..Shop::default()
    };
    let parsed = |event: Value| Event::parse(event.to_string().as_bytes()).unwrap();
    let mut moments: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let r#type = match kind {
                Kind::PaymentMethod => "payment_method.attached",
                Kind::CheckoutSession => "checkout.session.completed",
                kind => type_of(kind, ".created"),
            };
            (kind, r#type)
        })
        .map(|(kind, r#type)| Moment {
            at,
            kind,
            shop: shop.clone(),
            event: parsed(event(r#type, at, shop.object(kind), Value::Null)),
        })
        .collect();
    for (later, kind, change) in steps {
        let of_it = moments.iter().filter(|moment| moment.kind == *kind);
        // The order of more in one second is not searched for.
        if shop.is_over(*kind) || of_it.count() > 7 {
            continue;
        }
        at += later;
        let before = shop.object(*kind);
        let (r#type, says_before) = shop.change(*kind, *change);
        let mut after = shop.object(*kind);
        if r#type.ends_with(".deleted") && shop.is_bare && shop.is_gone(*kind) {
            after = json!({ "id": after["id"], "object": after["object"], "deleted": true });
        }
        let previous = if says_before {
            previous(&before, &after)
        } else {
            Value::Null
        };
        moments.push(Moment {
            at,
            kind: *kind,
            shop: shop.clone(),
            event: parsed(event(r#type, at, after, previous)),
        });
    }
    moments
}

async fn arrive(tx: &mut Tx, arrival: &Arrival, moments: &[Moment]) -> store::Result<()> {
    match arrival {
        Arrival::Event(place) => {
            let event = place.get(moments).event.clone();
            sync::receive(tx, &[event], &Ours::default(), 1_800_000_000).await?;
        }
        Arrival::Page(kind, place, age) => {
            let moment = place.get(moments);
            // Nothing happened in between, or the page would not be what it is.
            let next = moments.get(place.index(moments.len()) + 1);
            let second = next.map_or(moment.at + age, |next| next.at.min(moment.at + age));
            // Stripe's answer is of that second, so it holds all of the second before.
            let Some(object) = page(&moment.shop, *kind) else {
                return Ok(());
            };
            refetch::write(tx, *kind, &[object], second - 1, false).await?;
        }
    }
    Ok(())
}

/// What Stripe answers about the object. A discount cannot be asked for.
fn page(shop: &Shop, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Discount => None,
        _ if shop.is_gone(kind) => {
            let noun = &shop.object(kind)["object"];
            Some(json!({ "id": shop.id(kind), "object": noun, "deleted": true }))
        }
        _ => Some(shop.object(kind)),
    }
}

/// Lets it all arrive, and returns what the rows are and what they should be.
async fn live_through(
    tx: &mut Tx,
    moments: &[Moment],
    arrivals: &[Arrival],
) -> store::Result<Vec<(String, String)>> {
    for arrival in arrivals {
        arrive(tx, arrival, moments).await?;
    }
    let rest: Vec<_> = moments
        .iter()
        .rev()
        .map(|moment| moment.event.clone())
        .collect();
    sync::receive(tx, &rest, &Ours::default(), 1_800_000_000).await?;
    let Some(Moment { at, shop, .. }) = moments.last() else {
        return Ok(Vec::new());
    };
    let filter = Filter {
        state: Some(State::Pending),
        ..Filter::default()
    };
    let pending = store::event::list(tx, &filter, 10_000).await?;
    for kind in ASKED {
        let id = shop.id(kind);
        let id = match kind {
            Kind::EntitlementSummary => format!("{id}/entitlements"),
            _ => id,
        };
        if pending
            .iter()
            .any(|event| event.object_id.as_ref() == Some(&id))
        {
            refetch::write(tx, kind, &[shop.object(kind)], at + 1, false).await?;
        }
    }
    compare(tx, shop).await
}

async fn compare(tx: &mut Tx, shop: &Shop) -> store::Result<Vec<(String, String)>> {
    let id = |kind: Kind| shop.id(kind);
    let customer_id = Some(id(Kind::Customer));
    let customer = Customer {
        id: id(Kind::Customer),
        email: Some("Ada@Example.com".to_owned()),
        email_normalised: Some("ada@example.com".to_owned()),
        name: Some(format!("name {}", shop.name_of_customer)),
        created: 1,
        ..Customer::default()
    };
    let subscription = Subscription {
        id: id(Kind::Subscription),
        customer_id: customer_id.clone(),
        discounts: Some(json!([id(Kind::Discount)]).to_string()),
        status: Some(
            if shop.is_canceled {
                "canceled"
            } else {
                "active"
            }
            .to_owned(),
        ),
        created: 1,
        ..Subscription::default()
    };
    let invoice = Invoice {
        id: id(Kind::Invoice),
        customer_id: customer_id.clone(),
        status: Some(shop.status().to_owned()),
        total: Some(shop.total),
        attempt_count: Some(shop.attempts),
        created: 1,
        ..Invoice::default()
    };
    let method = PaymentMethod {
        id: id(Kind::PaymentMethod),
        customer_id: customer_id.filter(|_| !shop.is_detached),
        r#type: Some("card".to_owned()),
        brand: Some("visa".to_owned()),
        last4: Some("4242".to_owned()),
        exp_month: Some(1),
        exp_year: Some(shop.expires),
        created: 1,
        ..PaymentMethod::default()
    };
    let product = Product {
        id: id(Kind::Product),
        name: Some(format!("name {}", shop.name_of_product)),
        active: 1,
        created: 1,
        ..Product::default()
    };
    let price = Price {
        id: id(Kind::Price),
        product_id: Some(id(Kind::Product)),
        active: 1,
        currency: Some("eur".to_owned()),
        unit_amount: Some(900),
        nickname: Some(format!("name {}", shop.nickname)),
        created: 1,
        ..Price::default()
    };
    let payment = PaymentIntent {
        id: id(Kind::PaymentIntent),
        customer_id: Some(id(Kind::Customer)),
        status: Some(shop.payment_status().to_owned()),
        currency: Some("eur".to_owned()),
        amount: Some(900),
        created: 1,
        ..PaymentIntent::default()
    };
    let allocated = InvoicePayment {
        id: id(Kind::InvoicePayment),
        invoice_id: Some(id(Kind::Invoice)),
        payment_intent_id: Some(id(Kind::PaymentIntent)),
        status: Some(if shop.is_allocated { "paid" } else { "open" }.to_owned()),
        currency: Some("eur".to_owned()),
        amount_requested: Some(900),
        is_default: 1,
        created: 1,
        ..InvoicePayment::default()
    };
    let payment_status = if shop.is_checkout_paid {
        "paid"
    } else {
        "unpaid"
    };
    let checkout = CheckoutSession {
        id: id(Kind::CheckoutSession),
        customer_id: Some(id(Kind::Customer)),
        mode: Some("payment".to_owned()),
        status: Some("complete".to_owned()),
        payment_status: Some(payment_status.to_owned()),
        created: 1,
        ..CheckoutSession::default()
    };
    let coupon = Coupon {
        id: id(Kind::Coupon),
        name: Some(format!("name {}", shop.name_of_coupon)),
        percent_off: Some("12.5".to_owned()),
        duration: Some("forever".to_owned()),
        created: 1,
        ..Coupon::default()
    };
    let discount = Discount {
        id: id(Kind::Discount),
        customer_id: Some(id(Kind::Customer)),
        coupon_id: Some(id(Kind::Coupon)),
        starts_at: 1,
        ends_at: Some(shop.ends_of_discount),
        ..Discount::default()
    };
    let features = (0..shop.features).map(|number| format!("feature_{number}"));
    let entitled = EntitlementSummary {
        id: id(Kind::EntitlementSummary),
        lookup_keys: json!(features.collect::<Vec<_>>()).to_string(),
        ..EntitlementSummary::default()
    };
    let items: Vec<_> = (0..=i64::from(shop.has_two_items))
        .map(|number| SubscriptionItem {
            subscription_id: id(Kind::Subscription),
            position: number,
            id: Some(format!("si_{number}")),
            price_id: Some(id(Kind::Price)),
            product_id: Some(id(Kind::Product)),
            quantity: Some(shop.quantity + number),
            price_created: Some(1),
            ..SubscriptionItem::default()
        })
        .collect();
    let found = mirror::items_of(tx, &[&id(Kind::Subscription)]).await?;
    let mut all = vec![
        pair(tx, customer, shop.is_customer_gone).await?,
        pair(tx, subscription, false).await?,
        (format!("{found:?}"), format!("{items:?}")),
        pair(tx, invoice, false).await?,
        pair(tx, method, false).await?,
        pair(tx, product, shop.is_product_gone).await?,
        pair(tx, price, shop.is_price_gone).await?,
        pair(tx, payment, false).await?,
        pair(tx, allocated, false).await?,
        pair(tx, checkout, false).await?,
        pair(tx, entitled, false).await?,
        pair(tx, coupon, shop.is_coupon_gone).await?,
        pair(tx, discount, shop.is_discount_gone).await?,
    ];
    let mut others = Others {
        tx,
        shop,
        all: &mut all,
    };
    visit_all(&mut others).await;
    Ok(all)
}

/// The rows of nouns without a life of their own.
struct Others<'t> {
    tx: &'t mut Tx,
    shop: &'t Shop,
    all: &'t mut Vec<(String, String)>,
}

impl Visit for Others<'_> {
    async fn visit<N: Noun>(&mut self, kind: Kind) {
        if OWN.contains(&kind) {
            return;
        }
        let found: Option<N> = row::find(self.tx, &self.shop.id(kind)).await.unwrap();
        let found = found.map(|row| row.stamped(0, 0));
        let wanted = N::read(&self.shop.object(kind)).map(|row| row.stamped(0, 0));
        let wanted = wanted.expect("it can be read");
        let is_right = found.as_ref() == Some(&wanted);
        self.all.push((
            format!("{kind:?} is right: {is_right}, at {:?}", self.shop.turns),
            format!("{kind:?} is right: true, at {:?}", self.shop.turns),
        ));
    }
}

/// The row, and how it should be, without the second that it is of: a page may have told of a
/// deletion before its event did.
async fn pair<R: PlainRow>(tx: &mut Tx, row: R, is_gone: bool) -> store::Result<(String, String)> {
    let found: Option<R> = row::find(tx, row.id()).await?;
    let deleted_at = found.as_ref().and_then(Row::deleted_at);
    let keeps = ["product", "price", "coupon"].contains(&R::TABLE);
    let row = if is_gone && keeps {
        row.with_deleted_at(deleted_at.or(Some(0)))
    } else if is_gone {
        R::tombstone(row.id(), 0, deleted_at.unwrap_or_default())
    } else {
        row
    };
    let timeless = |row: R| row.stamped(0, 0);
    Ok((
        found.map(timeless).map(spelled).unwrap_or_default(),
        spelled(timeless(row)),
    ))
}

/// A row in words, which its `Debug` does not give.
fn spelled<R: PlainRow>(row: R) -> String {
    let cells = R::COLUMNS.iter().zip(row.cells());
    let cells = cells.map(|(column, cell)| match cell {
        Cell::Text(text) => format!("{column}={text:?}"),
        Cell::Number(number) => format!("{column}={number:?}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

async fn checklist_46_the_rows_of_all_nouns_end_as_their_history_did(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    // Three in four are in the second of the step before.
    let later = prop_oneof![3 => Just(0_i64), 1 => 1..3_i64];
    let change = prop_oneof![
        6 => Just(Change::Turn),
        3 => Just(Change::Items),
        1 => Just(Change::End),
    ];
    let kind = || prop::sample::select(Kind::ALL.to_vec());
    let arrival = prop_oneof![
        3 => any::<Index>().prop_map(Arrival::Event),
        1 => (kind(), any::<Index>(), 0..3_i64)
            .prop_map(|(kind, place, age)| Arrival::Page(kind, place, age)),
    ];
    // To few of the nouns much happens, so that seconds are full.
    let steps = vec(kind(), 1..4).prop_flat_map(move |some| {
        let kind = prop::sample::select(some);
        vec((later.clone(), kind, change.clone()), 0..16)
    });
    let strategy = (steps, vec(arrival, 0..32), any::<bool>());
    let test = move || {
        let config = proptest::test_runner::Config {
            cases: 60,
            failure_persistence: None,
            max_shrink_iters: 500,
            ..Default::default()
        };
        TestRunner::new(config)
            .run(&strategy, |(steps, arrivals, is_bare)| {
                let moments = history(&steps, is_bare);
                let work = store.write(move |tx| {
                    async move { live_through(tx, &moments, &arrivals).await }.boxed()
                });
                for (row, wanted) in runtime.block_on(work).unwrap() {
                    prop_assert_eq!(row, wanted);
                }
                Ok(())
            })
            .unwrap();
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}
