//! The list of customer records: filter, pending buttons, and changes as the webhooks bring them.

use leptos::prelude::*;

use super::{
    browser,
    card::{Card, Pending},
};
use crate::model::CustomerView;

/// From how many entries on a filter helps.
const FILTER_FROM: usize = 6;

/// `failed` is the customer whose portal could not be opened just now, and what to say of it.
#[island]
pub fn CustomerList(
    customers: Vec<CustomerView>,
    address: String,
    app_name: String,
    failed: Option<(String, String)>,
) -> impl IntoView {
    let customers = RwSignal::new(customers);
    let filter = RwSignal::new(String::new());
    let pending = RwSignal::new(None::<Pending>);
    let offline = RwSignal::new(false);
    // False until the browser has taken over: what needs JavaScript is hidden until then.
    let live = RwSignal::new(false);

    Effect::new(move |_| {
        live.set(true);
        browser::listen("/billing/live", "customers", move |list| {
            // A card that changes is made anew, and its buttons with it.
            browser::keep_focus(move || customers.set(list));
        });
        browser::on_connection_change(move |is_online| offline.set(!is_online));
        browser::on_return(move || pending.set(None));
    });

    let shown = move || {
        let wanted = filter.get();
        let mut list = customers.get();
        // On the server the filter is empty: there is no browser to ask for small letters.
        if !wanted.trim().is_empty() {
            let wanted = browser::lower_case(wanted.trim());
            list.retain(|customer| {
                [&customer.title, &customer.email, &customer.id]
                    .iter()
                    .any(|text| browser::lower_case(text).contains(&wanted))
            });
        }
        list
    };
    let heard = move || match (filter.get().trim(), shown().len()) {
        ("", _) => String::new(),
        (wanted, 0) => format!("No entry matches “{wanted}”."),
        (_, count) => format!("{count} of {} entries", customers.with(Vec::len)),
    };

    view! {
        <Show
            when=move || !customers.with(Vec::is_empty)
            fallback=move || view! { <Empty address=address.clone() app_name=app_name.clone()/> }
        >
            <h1>{move || heading(customers.with(Vec::len))}</h1>
            <p class="lede">
                "Each entry has its own payment method, plan and invoices. The buttons open them at Stripe."
            </p>
        </Show>
        <p class="notice" role="status" hidden=move || !offline.get()>
            "You are offline. The list may be out of date, and the buttons work again when the connection is back."
        </p>
        <div
            class="field filter"
            hidden=move || !live.get() || customers.with(Vec::len) < FILTER_FROM
        >
            <label for="filter">"Filter entries"</label>
            <input
                class="input"
                id="filter"
                type="search"
                autocomplete="off"
                spellcheck="false"
                enterkeyhint="search"
                prop:value=move || filter.get()
                on:input=move |event| filter.set(event_target_value(&event))
            />
        </div>
        // A count is for those who cannot see the list; that nothing is left is for everybody.
        <p
            role="status"
            class:heard=move || filter.get().trim().is_empty() || !shown().is_empty()
        >{heard}</p>
        <div class="cards">
            <For each=shown key=CustomerView::clone let:customer>
                <Card
                    failed=failed
                        .as_ref()
                        .filter(|(id, _)| *id == customer.id)
                        .map(|(_, words)| words.clone())
                    customer
                    pending
                    live
                />
            </For>
        </div>
    }
}

#[component]
fn Empty(address: String, app_name: String) -> impl IntoView {
    view! {
        <h1>"No entries yet for this address"</h1>
        <p class="lede">
            {format!("{app_name} has no customer entry for ")} <strong>{address}</strong> "."
        </p>
        <p>
            "You may have paid with another address. It is on your receipt. Sign out and use that one."
        </p>
        <form method="post" action="/api/sign_out">
            <button class="button primary">"Sign out and use another address"</button>
        </form>
        <p>
            {format!(
                "If you have just paid, the entry can take a minute to appear here. If it does not, ask {app_name} which address they have for you.",
            )}
        </p>
    }
}

fn heading(count: usize) -> String {
    match count {
        1 => "You have 1 customer entry".to_owned(),
        count => format!("You have {count} customer entries"),
    }
}
