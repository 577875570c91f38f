//! The card of a customer: what is due, its subscriptions, and the forms that lead to Stripe.

use leptos::{ev::SubmitEvent, prelude::*};

use super::browser;
use crate::model::{CustomerView, Day, DueView, InvoiceView, PdfView, State, SubscriptionView};

/// The button whose page at Stripe is being opened: the id that its form is about (of a customer, a subscription or an invoice) and
/// the button's flow.
pub type Pending = (String, &'static str);

type Flow = (&'static str, &'static str);

const OF_CUSTOMER: [Flow; 3] = [
    ("home", "Manage billing"),
    ("payment_method", "Payment method"),
    ("invoices", "Invoices"),
];
const CHANGE_PLAN: Flow = ("change_plan", "Change plan");
const CANCEL: Flow = ("cancel", "Cancel plan");
const PAY: &str = "pay";

/// The URL that a form posts to, and the text of its buttons meanwhile.
type Way = (&'static str, &'static str);

const TO_PORTAL: Way = ("/api/open_portal", "Opening the portal…");
const TO_INVOICE: Way = ("/api/pay_invoice", "Opening the invoice…");

/// `failed`: the error for a portal that could not be opened just now.
#[component]
pub fn Card(
    customer: CustomerView,
    failed: Option<String>,
    pending: RwSignal<Option<Pending>>,
    live: RwSignal<bool>,
) -> impl IntoView {
    let CustomerView {
        id,
        title,
        email,
        created,
        state,
        subscriptions,
        payment_method,
        due,
        invoices,
    } = customer;
    let name_id = dom_id(&id, "name");
    // A card has one primary button.
    let has_primary = due.is_none();
    let is_late = state.1;
    let due = due.map(|due| {
        view! { <Due due is_late customer=id.clone() named=name_id.clone() pending/> }
    });
    let subscriptions = subscriptions
        .into_iter()
        .map(|subscription| view! { <Subscription subscription customer=id.clone() pending live/> })
        .collect_view();
    let has_facts = payment_method.is_some() || !invoices.is_empty();
    let facts = has_facts.then(|| {
        let invoices = invoices
            .into_iter()
            .map(|invoice| in_words(invoice, live))
            .collect_view();
        view! {
            <div class="facts">
                {payment_method.map(|words| view! { <p>{words}</p> })} {invoices}
            </div>
        }
    });
    let flows = Vec::from(OF_CUSTOMER.map(|(flow, label)| (flow, label.to_owned())));
    let address = (email != title).then(|| {
        view! {
            <p>
                <bdi>{email}</bdi>
            </p>
        }
    });
    view! {
        <article class="card" aria-labelledby=name_id.clone()>
            <div class="name">
                <h2 id=name_id.clone()>
                    <bdi>{title}</bdi>
                </h2>
                {state_in_words(state)}
            </div>
            {due}
            {subscriptions}
            {facts}
            <Buttons
                way=TO_PORTAL
                customer=id.clone()
                about=None
                flows
                has_primary
                named=name_id.clone()
                pending
            />
            {failed
                .map(|words| {
                    view! {
                        <p class="problem" role="alert" tabindex="-1" autofocus>
                            {words}
                        </p>
                    }
                })}
            <div class="facts record">
                {address} <p>"Customer since " {time(created, live)}</p> <CustomerId id live/>
            </div>
        </article>
    }
}

/// The id of a customer, with a button to copy it.
#[component]
fn CustomerId(id: String, live: RwSignal<bool>) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = {
        let id = id.clone();
        move |_| {
            if !browser::copy(&id) {
                return;
            }
            copied.set(true);
            set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
        }
    };
    view! {
        <p class="id">
            <code>{id.clone()}</code>
            <button
                class="button quiet"
                type="button"
                id=dom_id(&id, "copy")
                aria-label=format!("Copy customer ID {id}")
                hidden=move || !live.get()
                data-wait=move || copied.get().then_some("")
                on:click=copy
            >
                <span class="label">"Copy"</span>
                <span class="wait">"Copied"</span>
            </button>
        </p>
    }
}

/// What the customer should pay now, with a button to Stripe's page for it.
#[component]
fn Due(
    due: DueView,
    is_late: bool,
    customer: String,
    named: String,
    pending: RwSignal<Option<Pending>>,
) -> impl IntoView {
    let DueView {
        invoice,
        words,
        button,
    } = due;
    let words_id = dom_id(&invoice, "due");
    view! {
        <div class="due" class:late=is_late role="group" aria-labelledby=words_id.clone()>
            <p id=words_id.clone()>{words}</p>
            <Buttons
                way=TO_INVOICE
                customer
                about=Some(("invoice", invoice))
                flows=vec![(PAY, button)]
                has_primary=true
                named
                pending
            />
        </div>
    }
}

#[component]
fn Subscription(
    subscription: SubscriptionView,
    customer: String,
    pending: RwSignal<Option<Pending>>,
    live: RwSignal<bool>,
) -> impl IntoView {
    let SubscriptionView {
        id,
        title,
        price,
        discount,
        state,
        dates,
        may_change,
        may_cancel,
    } = subscription;
    // A prefix other than the customer's: a seller may give a customer and a subscription the same id.
    let name_id = dom_id(&id, "plan");
    let labelled_by = name_id.clone();
    let heading_id = name_id.clone();
    let price = (!price.is_empty()).then(|| view! { <p class="price">{price}</p> });
    let discount = discount.map(|words| view! { <p>{words}</p> });
    let dates = dates
        .into_iter()
        .map(|(words, day)| view! { <p>{words} " " {time(day, live)}</p> })
        .collect_view();
    let flows: Vec<_> = [(may_change, CHANGE_PLAN), (may_cancel, CANCEL)]
        .into_iter()
        .filter(|(is_offered, _)| *is_offered)
        .map(|(_, (flow, label))| (flow, label.to_owned()))
        .collect();
    view! {
        // Not a landmark: two of them may have the same product name.
        <section class="subscription" role="group" aria-labelledby=labelled_by>
            <div class="name">
                <h3 id=heading_id>
                    <bdi>{title}</bdi>
                </h3>
                {state_in_words(state)}
            </div>
            <div class="facts">{price} {discount} {dates}</div>
            {(!flows.is_empty())
                .then(|| {
                    view! {
                        <Buttons
                            way=TO_PORTAL
                            customer
                            about=Some(("subscription", id))
                            flows
                            has_primary=false
                            named=name_id
                            pending
                        />
                    }
                })}
        </section>
    }
}

/// A form whose buttons open a page of `customer` at Stripe. `about`: the field name and id of the object that the page is for, if it
/// is not the customer. `has_primary`: the first button is the primary one. `named` is the id of the heading that describes the buttons.
#[component]
fn Buttons(
    way: Way,
    customer: String,
    about: Option<(&'static str, String)>,
    flows: Vec<(&'static str, String)>,
    has_primary: bool,
    named: String,
    pending: RwSignal<Option<Pending>>,
) -> impl IntoView {
    let (action, wait) = way;
    let of = StoredValue::new(about.as_ref().map_or(&customer, |(_, id)| id).clone());
    let first = flows.first().map_or("", |(flow, _)| *flow);
    let pressed = StoredValue::new(first);
    let buttons = flows.into_iter().map(|(flow, label)| {
        let is_pending = move || {
            pending.with(|pending| {
                pending
                    .as_ref()
                    .is_some_and(|(id, at)| *at == flow && of.with_value(|of| of == id))
            })
        };
        let is_primary = has_primary && flow == first;
        // The form's action for paying takes no `flow` field.
        let name = (flow != PAY).then_some("flow");
        view! {
            <button
                class=if is_primary { "button primary" } else { "button" }
                id=of.with_value(|of| dom_id(of, flow))
                name=name
                value=flow
                aria-describedby=named.clone()
                aria-disabled=move || pending.with(Option::is_some).then_some("true")
                data-wait=move || is_pending().then_some("")
                on:click=move |_| pressed.set_value(flow)
            >
                <span class="label">{label}</span>
                <span class="wait">{wait}</span>
            </button>
        }
    });
    let submit = move |event: SubmitEvent| {
        if pending.with_untracked(Option::is_some) {
            event.prevent_default();
        } else {
            pending.set(Some((of.get_value(), pressed.get_value())));
        }
    };
    view! {
        <form class="actions" method="post" action=action on:submit=submit>
            <input type="hidden" name="customer" value=customer/>
            {about.map(|(name, id)| view! { <input type="hidden" name=name value=id/> })}
            {buttons.collect_view()}
        </form>
    }
}

fn in_words(InvoiceView { words, day, pdf }: InvoiceView, live: RwSignal<bool>) -> impl IntoView {
    let pdf = pdf.map(|PdfView { url, name }| {
        view! { " (" <a href=url rel="noreferrer" aria-label=name>"PDF"</a> ")" }
    });
    view! {
        <p class="invoice">
            <span>{words} " " {time(day, live)} {pdf}</span>
        </p>
    }
}

fn state_in_words(State(words, is_bad): State) -> impl IntoView {
    view! { <span class="state" class:overdue=is_bad>{words}</span> }
}

/// A `<time>` in UTC as rendered by the server, and in the visitor's time zone after hydration.
fn time(Day(at, iso, text): Day, live: RwSignal<bool>) -> impl IntoView {
    let words = move || {
        let local = live.get().then(|| browser::local_day(at)).flatten();
        local.unwrap_or_else(|| text.clone())
    };
    view! { <time datetime=iso>{words}</time> }
}

/// An HTML id from one of Stripe's ids and a suffix. Escaped, since lists of ids are separated by white space, and sellers choose ids
/// that contain it.
fn dom_id(id: &str, what: &str) -> String {
    let id = id.replace('%', "%25");
    id.replace(|letter: char| letter.is_ascii_whitespace(), "%20") + "-" + what
}
