//! All routes; the API's handlers lie behind the gate.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, Uri},
    middleware::from_fn_with_state,
    routing::{delete, get, post},
};

use crate::{
    pages,
    routes::{
        checkout, control, coupons, customers, empty, entitlements, events, features, gate,
        invoice_items, invoice_payments, invoices, payment_intents, payment_methods, plans,
        portal_sessions, portal_settings, prices, products, setup_intents, sources, subscriptions,
        webhook_endpoints,
    },
    state::Shared,
    wire::error::ApiError,
};

pub fn router(app: Shared) -> Router {
    Router::new()
        .merge(people())
        .merge(catalog())
        .merge(billing())
        .merge(payments())
        .merge(notices())
        .merge(pages::portal::router())
        .merge(pages::checkout::router())
        .merge(pages::invoice::router())
        .merge(control::router())
        .merge(pages::start::router())
        .fallback(|method: Method, uri: Uri| unknown(StatusCode::NOT_FOUND, method, uri))
        .method_not_allowed_fallback(|method: Method, uri: Uri| {
            unknown(StatusCode::METHOD_NOT_ALLOWED, method, uri)
        })
        .layer(DefaultBodyLimit::max(gate::LARGEST_BODY))
        .layer(from_fn_with_state(app.clone(), gate::gate))
        .with_state(app)
}

fn people() -> Router<Shared> {
    Router::new()
        .route("/v1/customers", get(customers::all).post(customers::create))
        .route(
            "/v1/customers/{id}",
            get(customers::retrieve)
                .post(customers::update)
                .delete(customers::delete),
        )
        .route(
            "/v1/customers/{id}/payment_methods",
            get(payment_methods::of_customer),
        )
        .route(
            "/v1/customers/{id}/sources",
            get(sources::all).post(sources::create),
        )
        .route(
            "/v1/customers/{id}/sources/{source}",
            get(sources::retrieve).post(sources::update),
        )
        .route(
            "/v1/entitlements/active_entitlements",
            get(entitlements::all),
        )
        .route("/v1/billing_portal/sessions", post(portal_sessions::create))
        .route(
            "/v1/billing_portal/configurations",
            get(portal_settings::all),
        )
        .route(
            "/v1/billing_portal/configurations/{id}",
            get(portal_settings::one),
        )
}

fn catalog() -> Router<Shared> {
    Router::new()
        .route("/v1/products", get(products::all).post(products::create))
        .route(
            "/v1/products/{id}",
            get(products::retrieve)
                .post(products::update)
                .delete(products::delete),
        )
        .route(
            "/v1/products/{id}/features",
            get(features::attached).post(features::attach),
        )
        .route(
            "/v1/products/{id}/features/{feature}",
            delete(features::detach),
        )
        .route(
            "/v1/entitlements/features",
            get(features::all).post(features::create),
        )
        .route(
            "/v1/entitlements/features/{id}",
            get(features::retrieve).post(features::update),
        )
        .route("/v1/prices", get(prices::all).post(prices::create))
        .route(
            "/v1/prices/{id}",
            get(prices::retrieve).post(prices::update),
        )
        .route("/v1/coupons", get(coupons::all).post(coupons::create))
        .route(
            "/v1/coupons/{id}",
            get(coupons::retrieve)
                .post(coupons::update)
                .delete(coupons::delete),
        )
        .route("/v1/plans", get(plans::all).post(plans::create))
        .route(
            "/v1/plans/{id}",
            get(plans::retrieve)
                .post(plans::update)
                .delete(plans::delete),
        )
}

fn billing() -> Router<Shared> {
    Router::new()
        .route(
            "/v1/subscriptions",
            get(subscriptions::all).post(subscriptions::create::create),
        )
        .route(
            "/v1/subscriptions/{id}",
            get(subscriptions::retrieve)
                .post(subscriptions::update)
                .delete(subscriptions::cancel),
        )
        .route("/v1/subscription_items", get(subscriptions::items::all))
        .route("/v1/invoices", get(invoices::all).post(invoices::create))
        .route(
            "/v1/invoices/{id}",
            get(invoices::retrieve)
                .post(invoices::update)
                .delete(invoices::actions::delete),
        )
        .route("/v1/invoices/{id}/lines", get(invoices::lines))
        .route(
            "/v1/invoices/{id}/finalize",
            post(invoices::actions::finalize),
        )
        .route("/v1/invoices/{id}/pay", post(invoices::actions::pay))
        .route("/v1/invoices/{id}/send", post(invoices::actions::send))
        .route("/v1/invoices/{id}/void", post(invoices::actions::void))
        .route(
            "/v1/invoices/{id}/mark_uncollectible",
            post(invoices::actions::mark_uncollectible),
        )
        .route(
            "/v1/invoiceitems",
            get(invoice_items::all).post(invoice_items::create),
        )
        .route(
            "/v1/invoiceitems/{id}",
            get(invoice_items::retrieve).delete(invoice_items::delete),
        )
        .route("/v1/invoice_payments", get(invoice_payments::all))
        .route("/v1/invoice_payments/{id}", get(invoice_payments::retrieve))
}

fn payments() -> Router<Shared> {
    Router::new()
        .route(
            "/v1/payment_methods",
            get(payment_methods::all).post(payment_methods::create),
        )
        .route(
            "/v1/payment_methods/{id}",
            get(payment_methods::retrieve).post(payment_methods::update),
        )
        .route(
            "/v1/payment_methods/{id}/attach",
            post(payment_methods::attach_to),
        )
        .route(
            "/v1/payment_methods/{id}/detach",
            post(payment_methods::detach),
        )
        .route(
            "/v1/payment_intents",
            get(payment_intents::all).post(payment_intents::create),
        )
        .route(
            "/v1/payment_intents/{id}",
            get(payment_intents::retrieve).post(payment_intents::update),
        )
        .route(
            "/v1/payment_intents/{id}/confirm",
            post(payment_intents::confirm),
        )
        .route(
            "/v1/payment_intents/{id}/capture",
            post(payment_intents::capture),
        )
        .route(
            "/v1/payment_intents/{id}/cancel",
            post(payment_intents::cancel),
        )
        .route(
            "/v1/setup_intents",
            get(setup_intents::all).post(setup_intents::create),
        )
        .route("/v1/setup_intents/{id}", get(setup_intents::retrieve))
        .route("/v1/setup_intents/{id}/cancel", post(setup_intents::cancel))
        .route(
            "/v1/checkout/sessions",
            get(checkout::all).post(checkout::create),
        )
        .route("/v1/checkout/sessions/{id}", get(checkout::retrieve))
        .route(
            "/v1/checkout/sessions/{id}/line_items",
            get(checkout::line_items),
        )
        .route("/v1/checkout/sessions/{id}/expire", post(checkout::expire))
        .route("/v1/payment_pages/{id}", get(checkout::payment_page))
        .route("/v1/refunds", get(empty::none))
        .route("/v1/credit_notes", get(empty::none))
        .route("/v1/charges", get(empty::none))
        .route("/v1/payouts", get(empty::none))
        .route(
            "/v1/payment_pages/{id}/confirm",
            post(checkout::confirm_payment_page),
        )
}

fn notices() -> Router<Shared> {
    Router::new()
        .route(
            "/v1/webhook_endpoints",
            get(webhook_endpoints::all).post(webhook_endpoints::create),
        )
        .route(
            "/v1/webhook_endpoints/{id}",
            get(webhook_endpoints::retrieve)
                .post(webhook_endpoints::update)
                .delete(webhook_endpoints::delete),
        )
        .route("/v1/events", get(events::all))
        .route("/v1/events/{id}", get(events::one))
}

async fn unknown(status: StatusCode, method: Method, uri: Uri) -> ApiError {
    ApiError::unrecognized_url(status, method.as_str(), uri.path())
}
