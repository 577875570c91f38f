//! One customer record: its subscriptions, and the forms that open its portal.

use leptos::{ev::SubmitEvent, prelude::*};

use super::browser;
use crate::model::{CustomerView, Day, InvoiceView, State, SubscriptionView};

/// The button whose portal is being opened: the id in its form (a customer's, or a subscription's)
/// and the button's `flow`.
pub type Pending = (String, &'static str);

type Flow = (&'static str, &'static str);

const HOME: Flow = ("home", "Manage billing");
const OF_CUSTOMER: [Flow; 3] = [
    HOME,
    ("payment_method", "Payment method"),
    ("invoices", "Invoices"),
];
const CHANGE_PLAN: Flow = ("change_plan", "Change plan");
const CANCEL: Flow = ("cancel", "Cancel");

/// `failed`: what to say of its portal, which could not be opened just now.
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
        invoice,
    } = customer;
    let name_id = id.clone() + "-name";
    let copied = RwSignal::new(false);
    let copy = {
        let id = id.clone();
        move |_| {
            browser::copy(&id);
            copied.set(true);
            set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
        }
    };
    let subscriptions = subscriptions
        .into_iter()
        .map(|subscription| view! { <Subscription subscription customer=id.clone() pending live/> })
        .collect_view();
    view! {
        <article class="card" aria-labelledby=name_id.clone()>
            <div class="name">
                <h2 id=name_id.clone()>{title}</h2>
                {state_in_words(state)}
            </div>
            <div class="facts">
                <p class="address">{email}</p>
                <p class="id">
                    <code>{id.clone()}</code>
                    <button
                        class="button quiet"
                        type="button"
                        id=id.clone() + "-copy"
                        aria-label=format!("Copy customer ID {id}")
                        hidden=move || !live.get()
                        data-wait=move || copied.get().then_some("")
                        on:click=copy
                    >
                        <span class="label">"Copy"</span>
                        <span class="wait">"Copied"</span>
                    </button>
                </p>
                <p>"Customer since " {time(created, live)}</p>
                {payment_method.map(|words| view! { <p>"Pays with " {words}</p> })}
                {invoice
                    .map(|InvoiceView(words, day, pdf)| {
                        view! {
                            <p>
                                "Last invoice: " {words} ", " {time(day, live)}
                                {pdf
                                    .map(|url| {
                                        view! { " (" <a href=url rel="noreferrer">"PDF"</a> ")" }
                                    })}
                            </p>
                        }
                    })}
            </div>
            {subscriptions}
            <Buttons of=id.clone() customer=id.clone() flows=OF_CUSTOMER.to_vec() about=name_id.clone() pending/>
            {failed
                .map(|words| {
                    view! {
                        <p class="problem" role="alert" tabindex="-1" autofocus>
                            {words}
                        </p>
                    }
                })}
        </article>
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
        state,
        dates,
        may_change,
        may_cancel,
    } = subscription;
    let name_id = id.clone() + "-name";
    let labelled_by = name_id.clone();
    let heading_id = name_id.clone();
    let dates = dates
        .into_iter()
        .map(|(words, day)| view! { <p>{words} " " {time(day, live)}</p> })
        .collect_view();
    let flows: Vec<_> = [(may_change, CHANGE_PLAN), (may_cancel, CANCEL)]
        .into_iter()
        .filter_map(|(is_offered, flow)| is_offered.then_some(flow))
        .collect();
    view! {
        // No landmark: two of them may be of the same product.
        <section class="subscription" role="group" aria-labelledby=labelled_by>
            <div class="name">
                <h3 id=heading_id>{title}</h3>
                {state_in_words(state)}
            </div>
            <div class="facts">
                <p class="price">{price}</p>
                {dates}
            </div>
            {(!flows.is_empty())
                .then(|| view! { <Buttons of=id customer flows about=name_id pending/> })}
        </section>
    }
}

/// A form whose buttons open the portal of `customer`. `of` is its id, or that of one of its
/// subscriptions.
#[component]
fn Buttons(
    of: String,
    customer: String,
    flows: Vec<Flow>,
    about: String,
    pending: RwSignal<Option<Pending>>,
) -> impl IntoView {
    let pressed = StoredValue::new("home");
    let of = StoredValue::new(of);
    let is_of_subscription = of.with_value(|of| *of != customer);
    let buttons = flows.into_iter().map(|(flow, label)| {
        let is_pending = move || {
            pending.with(|pending| {
                pending
                    .as_ref()
                    .is_some_and(|(id, at)| *at == flow && of.with_value(|of| of == id))
            })
        };
        view! {
            <button
                class=if flow == HOME.0 { "button primary" } else { "button" }
                id=of.get_value() + "-" + flow
                name="flow"
                value=flow
                aria-describedby=about.clone()
                aria-disabled=move || pending.with(Option::is_some).then_some("true")
                data-wait=move || is_pending().then_some("")
                on:click=move |_| pressed.set_value(flow)
            >
                <span class="label">{label}</span>
                <span class="wait">"Opening the portal…"</span>
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
        <form class="actions" method="post" action="/api/open_portal" on:submit=submit>
            <input type="hidden" name="customer" value=customer/>
            {is_of_subscription
                .then(|| view! { <input type="hidden" name="subscription" value=of.get_value()/> })}
            {buttons.collect_view()}
        </form>
    }
}

fn state_in_words(State(words, is_bad): State) -> impl IntoView {
    view! { <span class="state" class:overdue=is_bad>{words}</span> }
}

/// In UTC as the server has it, and in the visitor's language and time zone once the browser has
/// taken over.
fn time(Day(at, iso, text): Day, live: RwSignal<bool>) -> impl IntoView {
    let words = move || {
        if live.get() {
            browser::local_day(at)
        } else {
            text.clone()
        }
    };
    view! { <time datetime=iso>{words}</time> }
}
