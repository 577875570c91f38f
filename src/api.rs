//! Every server function: all that a browser can call, in one file. All use POST and accept plain forms, so they work without
//! JavaScript. All respond with a redirect, except [`customers`]. Functions that need a session first ask for the principal.

use leptos::prelude::*;

use crate::model::{ApiError, CustomerView};

/// Sends a link and a code to an address. The response is the same for every address, so it does not reveal which are known
/// (user enumeration). `ticket` is an idempotency key, new on every page: pressing the button twice sends one mail.
#[server(prefix = "/api", endpoint = "ask_link")]
pub async fn ask_link(
    email: String,
    #[server(default)] ticket: Option<String>,
) -> Result<(), ApiError> {
    use crate::{
        answer,
        cookies::{self, Name},
        domain::{email::Email, keys, sign_in},
    };
    let app = answer::app()?;
    let Some(address) = Email::parse(&email) else {
        // It may be a real address with a typo. A cookie holds it, because browser histories and logs keep URLs.
        let typed: String = email.chars().take(254).collect();
        let value = keys::encode(typed.as_bytes());
        answer::set_cookie(&cookies::set(&app.config, Name::Typed, &value));
        answer::see_other("/?problem=address");
        return Ok(());
    };
    let browser = answer::cookie(&app, Name::Browser);
    let device = answer::cookie(&app, Name::Device);
    let asking = sign_in::Asking {
        browser: browser.as_deref(),
        device: device.as_deref(),
        ticket: ticket.as_deref(),
    };
    let browser = sign_in::ask(&app, &address, asking, &answer::visitor())
        .await
        .map_err(answer::unavailable)?;
    answer::set_cookie(&cookies::set(&app.config, Name::Browser, &browser));
    answer::see_other("/sign-in/check");
    Ok(())
}

/// Signs in with the code from the mail, in the browser that asked for it.
#[server(prefix = "/api", endpoint = "enter_code")]
pub async fn enter_code(code: String) -> Result<(), ApiError> {
    use crate::{answer, cookies::Name, domain::sign_in};
    let app = answer::app()?;
    let browser = answer::cookie(&app, Name::Browser);
    let entry = sign_in::enter_code(&app, &code, browser.as_deref(), &answer::visitor())
        .await
        .map_err(answer::unavailable)?;
    match entry {
        Ok(entry) => answer::signed_in(&app, &entry),
        Err(sign_in::Refusal::WrongCode) => answer::see_other("/sign-in/check?problem=code"),
        Err(sign_in::Refusal::Spent) => answer::see_other("/sign-in/check?problem=spent"),
        Err(sign_in::Refusal::Paused) => answer::see_other("/sign-in/check?problem=paused"),
    }
    Ok(())
}

/// Signs in with the link that was opened in this browser. Only this function consumes a link.
#[server(prefix = "/api", endpoint = "confirm_link")]
pub async fn confirm_link() -> Result<(), ApiError> {
    use crate::{answer, cookies::Name, domain::sign_in};
    let app = answer::app()?;
    let token = answer::cookie(&app, Name::Link).unwrap_or_default();
    let browser = answer::cookie(&app, Name::Browser);
    let entry = sign_in::confirm(&app, &token, browser.as_deref(), &answer::visitor())
        .await
        .map_err(answer::unavailable)?;
    match entry {
        Some(entry) => answer::signed_in(&app, &entry),
        // The confirm page says why the link failed.
        None => answer::see_other("/sign-in/confirm"),
    }
    Ok(())
}

/// Ends the session in the database and clears every cookie except the device's. The device cookie signs nobody in, and prevents
/// others from locking this browser out through the rate limit.
#[server(prefix = "/api", endpoint = "sign_out")]
pub async fn sign_out() -> Result<(), ApiError> {
    use crate::{answer, domain::session};
    let app = answer::app()?;
    if let Ok(principal) = answer::principal() {
        session::end(&app, &principal, &answer::client())
            .await
            .map_err(answer::unavailable)?;
    }
    answer::signed_out(&app);
    Ok(())
}

/// Ends one of the address's own sessions. `handle` identifies it on the page of devices.
#[server(prefix = "/api", endpoint = "end_session")]
pub async fn end_session(handle: String) -> Result<(), ApiError> {
    use crate::{
        answer,
        domain::devices::{self, Ended},
    };
    let (app, principal) = answer::session()?;
    match devices::end_one(&app, &principal, &handle, &answer::client())
        .await
        .map_err(answer::unavailable)?
    {
        Ended::This => answer::signed_out(&app),
        Ended::Other => answer::see_other("/devices"),
    }
    Ok(())
}

/// Ends every session of the address, including this browser's.
#[server(prefix = "/api", endpoint = "sign_out_everywhere")]
pub async fn sign_out_everywhere() -> Result<(), ApiError> {
    use crate::{answer, domain::devices};
    let (app, principal) = answer::session()?;
    devices::end_all(&app, &principal, &answer::client())
        .await
        .map_err(answer::unavailable)?;
    answer::signed_out(&app);
    Ok(())
}

/// The customers of the signed-in address.
#[server(prefix = "/api", endpoint = "customers")]
pub async fn customers() -> Result<Vec<CustomerView>, ApiError> {
    use crate::{answer, domain::billing, present};
    let (app, principal) = answer::session()?;
    billing::customers(&app, &principal)
        .await
        .map(present::customers)
        .map_err(answer::unavailable)
}

/// Opens Stripe's portal for one of the address's own customers: creates a portal session and redirects the browser to it.
/// `flow` is `home`, `payment_method` or `invoices`, or, with one of the customer's subscriptions, `change_plan` or `cancel`.
#[server(prefix = "/api", endpoint = "open_portal")]
pub async fn open_portal(
    customer: String,
    flow: String,
    #[server(default)] subscription: Option<String>,
) -> Result<(), ApiError> {
    use crate::{answer, domain::billing, model::Flow};
    let (app, principal) = answer::session()?;
    let Some(flow) = Flow::parse(&flow, subscription) else {
        return answer::refuse(ApiError::BadRequest);
    };
    let client = answer::client();
    let opened = billing::open_portal(
        &app,
        &principal,
        &customer,
        flow,
        answer::locale(),
        &client,
        answer::arrived(),
    );
    match opened.await {
        Ok(url) => answer::to_portal(&url),
        Err(refusal) => return answer::refuse_click(refusal, &customer),
    }
    Ok(())
}

/// Redirects to Stripe's page where the customer pays an open invoice. Only for the address's own customers.
#[server(prefix = "/api", endpoint = "pay_invoice")]
pub async fn pay_invoice(customer: String, invoice: String) -> Result<(), ApiError> {
    use crate::{
        answer,
        domain::billing::{self, Opened},
    };
    let (app, principal) = answer::session()?;
    let client = answer::client();
    let opened = billing::open_invoice(
        &app,
        &principal,
        &customer,
        &invoice,
        answer::locale(),
        &client,
        answer::arrived(),
    );
    match opened.await {
        Ok(Opened::Url(url)) => answer::to_portal(&url),
        Ok(Opened::Settled) => answer::back_to_list("settled", &customer),
        Err(refusal) => return answer::refuse_click(refusal, &customer),
    }
    Ok(())
}
