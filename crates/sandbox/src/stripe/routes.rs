//! Every address of the API, with the parameters it takes and what answers it.

use serde_json::Value;

use super::parameters as takes;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;
use super::{
    account, charges, checkout, customers, discounts, invoice_items, meters, payment_intents, payment_methods,
};
use super::{invoices::endpoints as invoices, invoices::payments, invoices::preview};
use super::{portal, prices, products, refunds, setup_intents, test_clocks, webhook_endpoints};
use super::{
    subscriptions::cancel, subscriptions::endpoints as subscriptions, subscriptions::item_endpoints as items,
    subscriptions::schedules,
};

pub type Answer = fn(&mut Work, &Request) -> Result<Value, Refusal>;

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub parameters: &'static str,
    pub answer: Answer,
}

const fn get(path: &'static str, parameters: &'static str, answer: Answer) -> Route {
    Route { method: "GET", path, parameters, answer }
}

const fn post(path: &'static str, parameters: &'static str, answer: Answer) -> Route {
    Route { method: "POST", path, parameters, answer }
}

const fn delete(path: &'static str, parameters: &'static str, answer: Answer) -> Route {
    Route { method: "DELETE", path, parameters, answer }
}

/// Words stand before `{id}` where both fit.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    get("/v1/account", takes::READ, account::read),
    get("/v1/balance", takes::READ, account::balance),
    get("/v1/events", takes::EVENT_LIST, account::list_events),
    get("/v1/events/{id}", takes::READ, account::read_event),
    post("/v1/customers", takes::CUSTOMER_CREATE, customers::create),
    get("/v1/customers", takes::CUSTOMER_LIST, customers::list),
    get("/v1/customers/{id}", takes::READ, customers::read),
    post("/v1/customers/{id}", takes::CUSTOMER_UPDATE, customers::update),
    delete("/v1/customers/{id}", takes::READ, customers::delete),
    get("/v1/customers/{id}/payment_methods", takes::METHOD_LIST, payment_methods::list_of_customer),
    post("/v1/products", takes::PRODUCT_CREATE, products::create),
    get("/v1/products", takes::PRODUCT_LIST, products::list),
    get("/v1/products/{id}", takes::READ, products::read),
    post("/v1/products/{id}", takes::PRODUCT_UPDATE, products::update),
    delete("/v1/products/{id}", takes::READ, products::delete),
    post("/v1/prices", takes::PRICE_CREATE, prices::create),
    get("/v1/prices", takes::PRICE_LIST, prices::list),
    get("/v1/prices/{id}", takes::READ, prices::read),
    post("/v1/prices/{id}", takes::PRICE_UPDATE, prices::update),
    post("/v1/payment_methods", takes::METHOD_CREATE, payment_methods::create),
    get("/v1/payment_methods", takes::METHOD_LIST, payment_methods::list),
    get("/v1/payment_methods/{id}", takes::READ, payment_methods::read),
    post("/v1/payment_methods/{id}", takes::METHOD_UPDATE, payment_methods::update),
    post("/v1/payment_methods/{id}/attach", "customer !customer_account expand", payment_methods::attach),
    post("/v1/payment_methods/{id}/detach", takes::READ, payment_methods::detach),
    post("/v1/checkout/sessions", takes::SESSION_CREATE, checkout::sessions::create),
    get("/v1/checkout/sessions", takes::SESSION_LIST, checkout::sessions::list),
    get("/v1/checkout/sessions/{id}", takes::READ, checkout::sessions::read),
    post("/v1/checkout/sessions/{id}", takes::METADATA, checkout::sessions::update),
    post("/v1/checkout/sessions/{id}/expire", takes::READ, checkout::sessions::expire),
    get("/v1/checkout/sessions/{id}/line_items", takes::PAGE, checkout::sessions::list_line_items),
    post("/v1/subscriptions", takes::SUBSCRIPTION_CREATE, subscriptions::create),
    get("/v1/subscriptions", takes::SUBSCRIPTION_LIST, subscriptions::list),
    get("/v1/subscriptions/{id}", takes::READ, subscriptions::read),
    post("/v1/subscriptions/{id}", takes::SUBSCRIPTION_UPDATE, super::subscriptions::update::update),
    delete("/v1/subscriptions/{id}", takes::SUBSCRIPTION_CANCEL, cancel::request),
    post("/v1/subscriptions/{id}/resume", takes::SUBSCRIPTION_RESUME, subscriptions::resume),
    post("/v1/subscription_items", takes::ITEM_CREATE, items::create),
    get("/v1/subscription_items", takes::ITEM_LIST, items::list),
    get("/v1/subscription_items/{id}", takes::READ, items::read),
    post("/v1/subscription_items/{id}", takes::ITEM_UPDATE, items::update),
    delete("/v1/subscription_items/{id}", takes::ITEM_DELETE, items::delete),
    post("/v1/subscription_schedules", takes::SCHEDULE_CREATE, schedules::create),
    get("/v1/subscription_schedules", takes::SCHEDULE_LIST, schedules::list),
    get("/v1/subscription_schedules/{id}", takes::READ, schedules::read),
    post("/v1/subscription_schedules/{id}", takes::SCHEDULE_UPDATE, schedules::update),
    post("/v1/subscription_schedules/{id}/cancel", takes::SCHEDULE_CANCEL, schedules::cancel),
    post("/v1/subscription_schedules/{id}/release", takes::SCHEDULE_RELEASE, schedules::release),
    post("/v1/invoices/create_preview", takes::INVOICE_PREVIEW, preview::create),
    post("/v1/invoices", takes::INVOICE_CREATE, invoices::create),
    get("/v1/invoices", takes::INVOICE_LIST, invoices::list),
    get("/v1/invoices/{id}", takes::READ, invoices::read),
    post("/v1/invoices/{id}", takes::INVOICE_UPDATE, invoices::update),
    delete("/v1/invoices/{id}", takes::READ, invoices::delete),
    get("/v1/invoices/{id}/lines", takes::PAGE, invoices::list_lines),
    post("/v1/invoices/{id}/finalize", takes::INVOICE_FINALIZE, invoices::finalize),
    post("/v1/invoices/{id}/pay", takes::INVOICE_PAY, invoices::pay),
    post("/v1/invoices/{id}/void", takes::READ, invoices::void),
    post("/v1/invoices/{id}/mark_uncollectible", takes::READ, invoices::mark_uncollectible),
    post("/v1/invoiceitems", takes::INVOICE_ITEM_CREATE, invoice_items::create),
    get("/v1/invoiceitems", takes::INVOICE_ITEM_LIST, invoice_items::list),
    get("/v1/invoiceitems/{id}", takes::READ, invoice_items::read),
    post("/v1/invoiceitems/{id}", takes::INVOICE_ITEM_UPDATE, invoice_items::update),
    delete("/v1/invoiceitems/{id}", takes::READ, invoice_items::delete),
    get("/v1/invoice_payments", takes::INVOICE_PAYMENT_LIST, payments::list),
    get("/v1/invoice_payments/{id}", takes::READ, payments::read),
    get("/v1/payment_intents", takes::INTENT_LIST, payment_intents::list),
    get("/v1/payment_intents/{id}", takes::INTENT_READ, payment_intents::read),
    post("/v1/payment_intents/{id}/confirm", takes::INTENT_CONFIRM, payment_intents::confirm),
    post("/v1/setup_intents", takes::SETUP_CREATE, setup_intents::create),
    get("/v1/setup_intents", takes::INTENT_LIST, setup_intents::list),
    get("/v1/setup_intents/{id}", takes::INTENT_READ, setup_intents::read),
    post("/v1/setup_intents/{id}/confirm", takes::INTENT_CONFIRM, setup_intents::confirm),
    get("/v1/charges", takes::CHARGE_LIST, charges::list),
    get("/v1/charges/{id}", takes::READ, charges::read),
    post("/v1/charges/{id}", takes::CHARGE_UPDATE, charges::update),
    post("/v1/refunds", takes::REFUND_CREATE, refunds::create),
    get("/v1/refunds", takes::OF_PAYMENT_LIST, refunds::list),
    get("/v1/refunds/{id}", takes::READ, refunds::read),
    post("/v1/refunds/{id}", takes::METADATA, refunds::update),
    get("/v1/disputes", takes::OF_PAYMENT_LIST, charges::list_disputes),
    get("/v1/disputes/{id}", takes::READ, charges::read_dispute),
    post("/v1/disputes/{id}/close", takes::READ, charges::close_dispute),
    post("/v1/billing_portal/sessions", takes::PORTAL_SESSION, portal::create_session),
    post("/v1/billing_portal/configurations", takes::PORTAL_CONFIGURATION, portal::create_configuration),
    get("/v1/billing_portal/configurations", takes::PORTAL_CONFIGURATION_LIST, portal::list_configurations),
    get("/v1/billing_portal/configurations/{id}", takes::READ, portal::read_configuration),
    post("/v1/billing_portal/configurations/{id}", takes::PORTAL_CONFIGURATION, portal::update_configuration),
    post("/v1/webhook_endpoints", takes::ENDPOINT_CREATE, webhook_endpoints::create),
    get("/v1/webhook_endpoints", takes::PAGE, webhook_endpoints::list),
    get("/v1/webhook_endpoints/{id}", takes::READ, webhook_endpoints::read),
    post("/v1/webhook_endpoints/{id}", takes::ENDPOINT_UPDATE, webhook_endpoints::update),
    delete("/v1/webhook_endpoints/{id}", takes::READ, webhook_endpoints::delete),
    post("/v1/coupons", takes::COUPON_CREATE, discounts::create_coupon),
    get("/v1/coupons", takes::PAGE, discounts::list_coupons),
    get("/v1/coupons/{id}", takes::READ, discounts::read_coupon),
    delete("/v1/coupons/{id}", takes::READ, discounts::delete_coupon),
    post("/v1/promotion_codes", takes::CODE_CREATE, discounts::create_code),
    get("/v1/promotion_codes", takes::CODE_LIST, discounts::list_codes),
    get("/v1/promotion_codes/{id}", takes::READ, discounts::read_code),
    post("/v1/promotion_codes/{id}", takes::CODE_UPDATE, discounts::update_code),
    post("/v1/billing/meters", takes::METER_CREATE, meters::create),
    get("/v1/billing/meters", takes::METER_LIST, meters::list),
    get("/v1/billing/meters/{id}", takes::READ, meters::read),
    get("/v1/billing/meters/{id}/event_summaries", takes::METER_SUMMARIES, meters::summaries),
    post("/v1/billing/meter_events", takes::METER_EVENT, meters::create_event),
    post("/v1/billing/meter_event_adjustments", takes::METER_ADJUSTMENT, meters::adjust),
    post("/v1/test_helpers/test_clocks", takes::CLOCK_CREATE, test_clocks::create),
    get("/v1/test_helpers/test_clocks", takes::PAGE, test_clocks::list),
    get("/v1/test_helpers/test_clocks/{id}", takes::READ, test_clocks::read),
    post("/v1/test_helpers/test_clocks/{id}/advance", takes::CLOCK_ADVANCE, test_clocks::advance),
    delete("/v1/test_helpers/test_clocks/{id}", takes::READ, test_clocks::delete),
];

/// The route that a call takes, and the id in its path.
pub fn find(method: &str, path: &str) -> Option<(&'static Route, String)> {
    let path = path.trim_end_matches('/');
    ROUTES.iter().filter(|route| route.method == method).find_map(|route| Some((route, matched(route.path, path)?)))
}

/// The id, where a path fits a pattern; empty where the pattern has none.
fn matched(pattern: &str, path: &str) -> Option<String> {
    let mut id = String::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(part)) if !part.is_empty() => id = super::form::decode(part),
            (Some(word), Some(part)) if word == part => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_before_ids() {
        assert_eq!(find("POST", "/v1/invoices/create_preview").unwrap().0.path, "/v1/invoices/create_preview");
        let (route, id) = find("POST", "/v1/invoices/in_1/pay").unwrap();
        assert_eq!((route.path, id.as_str()), ("/v1/invoices/{id}/pay", "in_1"));
        assert!(find("GET", "/v1/invoices/in_1/teapot").is_none());
    }
}
