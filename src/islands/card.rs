//! One customer record, and the form that opens its portal.

use leptos::prelude::*;

use super::browser;
use crate::model::{CustomerState, CustomerView};

/// The button whose portal is being opened: the customer's id and the button's `flow`.
pub type Pending = (String, &'static str);

const BUTTONS: [(&str, &str); 3] = [
    ("home", "Manage billing"),
    ("payment_method", "Payment method"),
    ("invoices", "Invoices"),
];

/// `failed`: the portal of this customer could not be opened just now.
#[component]
pub fn Card(
    customer: CustomerView,
    failed: bool,
    pending: RwSignal<Option<Pending>>,
    live: RwSignal<bool>,
) -> impl IntoView {
    let CustomerView {
        id,
        title,
        email,
        created,
        created_day,
        created_text,
        state,
    } = customer;
    let name_id = format!("{id}-name");
    let copied = RwSignal::new(false);
    let pressed = StoredValue::new("home");
    let day = move || {
        if live.get() {
            browser::local_day(created)
        } else {
            created_text.clone()
        }
    };
    let buttons = BUTTONS.map(|(flow, label)| {
        let is_pending = {
            let id = id.clone();
            move || {
                pending.with(|pending| {
                    pending
                        .as_ref()
                        .is_some_and(|(of, at)| *of == id && *at == flow)
                })
            }
        };
        view! {
            <button
                class=if flow == "home" { "button primary" } else { "button" }
                name="flow"
                value=flow
                aria-describedby=name_id.clone()
                aria-disabled=move || pending.with(Option::is_some).then_some("true")
                data-wait=move || is_pending().then_some("")
                on:click=move |_| pressed.set_value(flow)
            >
                <span class="label">{label}</span>
                <span class="wait">"Opening the portal…"</span>
            </button>
        }
    });
    let submit = {
        let id = id.clone();
        move |event: leptos::ev::SubmitEvent| {
            if pending.with_untracked(Option::is_some) {
                event.prevent_default();
            } else {
                pending.set(Some((id.clone(), pressed.get_value())));
            }
        }
    };
    let copy = {
        let id = id.clone();
        move |_| {
            browser::copy(&id);
            copied.set(true);
            set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
        }
    };
    view! {
        <article class="card" aria-labelledby=name_id.clone()>
            <div class="name">
                <h2 id=name_id.clone()>{title}</h2>
                <span class="state" class:overdue=state == CustomerState::PaymentOverdue>
                    {state.words()}
                </span>
            </div>
            <div class="facts">
                <p class="address">{email}</p>
                <p class="id">
                    <code>{id.clone()}</code>
                    <button
                        class="button quiet"
                        type="button"
                        aria-label=format!("Copy customer ID {id}")
                        hidden=move || !live.get()
                        data-wait=move || copied.get().then_some("")
                        on:click=copy
                    >
                        <span class="label">"Copy"</span>
                        <span class="wait">"Copied"</span>
                    </button>
                </p>
                <p>"Customer since " <time datetime=created_day>{day}</time></p>
            </div>
            <form class="actions" method="post" action="/api/open_portal" on:submit=submit>
                <input type="hidden" name="customer" value=id/>
                {buttons.into_iter().collect_view()}
            </form>
            {failed
                .then(|| {
                    view! {
                        <p class="problem" role="alert" tabindex="-1" autofocus>
                            "Stripe did not answer, so the portal could not be opened. Nothing was changed. Try again in a moment."
                        </p>
                    }
                })}
        </article>
    }
}
