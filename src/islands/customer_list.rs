//! The list of customers: filter, pending buttons, and live updates after webhooks.

use std::sync::Arc;

use leptos::prelude::*;
use serde::{Serialize, Serializer};

use super::{
    browser,
    card::{Card, Pending},
};
use crate::model::CustomerView;

/// Minimum number of records for which the filter is shown.
const FILTER_FROM: usize = 6;

/// A shared record of the list. The whole record is the key of its card: after a change, the card is created anew.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Record(Arc<CustomerView>);

/// Serializes only the id: the server writes every key into the page, but the key is not read.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.id.serialize(serializer)
    }
}

/// `failed` is the customer whose portal could not be opened just now, with the error; `notice` is what has changed at Stripe since
/// the customer left for it; `stream` is the URL of the event stream.
#[island]
pub fn CustomerList(
    customers: Vec<CustomerView>,
    address: String,
    app_name: String,
    failed: Option<(String, String)>,
    notice: Option<String>,
    stream: String,
) -> impl IntoView {
    let customers = RwSignal::new(records(customers));
    let (address, app_name) = (StoredValue::new(address), StoredValue::new(app_name));
    let notice = RwSignal::new(notice.unwrap_or_default());
    let filter = RwSignal::new(String::new());
    let pending = RwSignal::new(None::<Pending>);
    let offline = RwSignal::new(false);
    // False until hydration: elements that need JavaScript are hidden until then.
    let live = RwSignal::new(false);

    let begin = move || {
        live.set(true);
        browser::listen(
            &stream,
            &address.get_value(),
            move |(list, news): (Vec<CustomerView>, Option<String>)| {
                let list = records(list);
                // The first event arrives as soon as the page listens, and mostly equals the rendered list.
                if customers.with_untracked(|now| *now == list) {
                    return;
                }
                if let Some(news) = news {
                    notice.set(news);
                }
                // A changed card is created anew with its buttons, so the focus would be lost.
                browser::keep_focus(move || customers.set(list));
            },
        );
        browser::on_connection_change(move |is_online| offline.set(!is_online));
        browser::on_return(move || pending.set(None));
    };
    // Not in the same task as hydration, which would block the input of a slow phone for longer.
    Effect::new(move |_| set_timeout(begin.clone(), std::time::Duration::ZERO));

    let is_whole = move || filter.with(|text| text.trim().is_empty());
    let shown = move || {
        let mut list = customers.get();
        // On the server the filter is empty, so the browser's lower-case function is never called there.
        if !is_whole() {
            let wanted = filter.with(|text| browser::lower_case(text.trim()));
            list.retain(|Record(customer)| {
                [&customer.title, &customer.email, &customer.id]
                    .iter()
                    .any(|text| browser::lower_case(text).contains(&wanted))
            });
        }
        list
    };
    let heard = move || {
        if is_whole() {
            return String::new();
        }
        match shown().len() {
            0 => filter.with(|wanted| format!("No record matches “{}”.", wanted.trim())),
            count => format!("{count} of {} records", customers.with(Vec::len)),
        }
    };

    view! {
        <Show
            when=move || !customers.with(Vec::is_empty)
            fallback=move || {
                view! { <Empty address=address.get_value() app_name=app_name.get_value()/> }
            }
        >
            <h1>
                {move || customers.with(|list| app_name.with_value(|name| heading(list, name)))}
            </h1>
            {move || {
                (customers.with(Vec::len) > 1)
                    .then(|| {
                        view! {
                            <p class="lede hint">
                                "Each has its own plan, payment method and invoices. The buttons open them at Stripe."
                            </p>
                        }
                    })
            }}
        </Show>
        <p class="notice" role="status" tabindex="-1" hidden=move || notice.with(String::is_empty)>
            {move || notice.get()}
        </p>
        <p class="notice" role="status" hidden=move || !offline.get()>
            "You are offline. The list may be out of date, and the buttons work again when the connection is back."
        </p>
        <div
            class="field filter"
            hidden=move || !live.get() || customers.with(Vec::len) < FILTER_FROM
        >
            <label for="filter">"Filter records"</label>
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
        // The count is for screen readers only; that no record matches is for all visitors.
        <p role="status" class:heard=move || is_whole() || !shown().is_empty()>
            {heard}
        </p>
        <div class="cards">
            <For each=shown key=Record::clone let:record>
                <Card
                    failed=failed
                        .as_ref()
                        .filter(|(id, _)| *id == record.0.id)
                        .map(|(_, words)| words.clone())
                    customer=CustomerView::clone(&record.0)
                    pending
                    live
                />
            </For>
        </div>
    }
}

fn records(list: Vec<CustomerView>) -> Vec<Record> {
    list.into_iter()
        .map(|customer| Record(Arc::new(customer)))
        .collect()
}

/// With one record a count is useless: shows the shop and the plan.
fn heading(list: &[Record], app_name: &str) -> impl IntoView + use<> {
    let (words, plan) = match list {
        [Record(only)] => match only.subscriptions.first() {
            Some(plan) => (format!("{app_name}: "), Some(plan.title.clone())),
            None => (format!("{app_name} billing"), None),
        },
        _ => (format!("You have {} billing records", list.len()), None),
    };
    view! {
        {words}
        {plan.map(|plan| view! { <bdi>{plan}</bdi> })}
    }
}

#[component]
fn Empty(address: String, app_name: String) -> impl IntoView {
    view! {
        <h1>"Nothing found for this address"</h1>
        <p class="lede">
            {format!("{app_name} has no billing record for ")} <strong><bdi>{address}</bdi></strong> "."
        </p>
        <p>
            "You may have paid with another address. It is on your receipt. Sign out and use that one."
        </p>
        <form method="post" action="/api/sign_out">
            <button class="button primary">"Sign out and use another address"</button>
        </form>
        <p>
            {format!(
                "If you have just paid, it can take a minute to appear here. If it does not, ask {app_name} which address they have for you.",
            )}
        </p>
    }
}
