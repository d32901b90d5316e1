"""Holds calls against the types of Stripe's own client.

Standard input is a JSON list of {"endpoint", "parameters": [[name, value], …]}. Prints every objection, then `done`.
"""

import json
import sys
import types
import typing
from decimal import Decimal

import stripe.params
import typing_extensions
from stripe._request_options import RequestOptions

CLASSES = {
    "GET /v1/account": "AccountRetrieveCurrentParams",
    "GET /v1/billing/meters": "billing.MeterListParams",
    "GET /v1/billing/meters/{id}/event_summaries": "billing.MeterListEventSummariesParams",
    "POST /v1/billing/meters": "billing.MeterCreateParams",
    "POST /v1/billing/meter_events": "billing.MeterEventCreateParams",
    "GET /v1/billing_portal/configurations": "billing_portal.ConfigurationListParams",
    "GET /v1/billing_portal/configurations/{id}": "billing_portal.ConfigurationRetrieveParams",
    "POST /v1/billing_portal/configurations": "billing_portal.ConfigurationCreateParams",
    "POST /v1/billing_portal/configurations/{id}": "billing_portal.ConfigurationUpdateParams",
    "POST /v1/billing_portal/sessions": "billing_portal.SessionCreateParams",
    "GET /v1/charges/{id}": "ChargeRetrieveParams",
    "POST /v1/checkout/sessions": "checkout.SessionCreateParams",
    "GET /v1/checkout/sessions/{id}": "checkout.SessionRetrieveParams",
    "POST /v1/checkout/sessions/{id}/expire": "checkout.SessionExpireParams",
    "GET /v1/customers": "CustomerListParams",
    "GET /v1/customers/{id}": "CustomerRetrieveParams",
    "POST /v1/customers": "CustomerCreateParams",
    "POST /v1/customers/{id}": "CustomerUpdateParams",
    "DELETE /v1/customers/{id}": "CustomerDeleteParams",
    "GET /v1/disputes/{id}": "DisputeRetrieveParams",
    "GET /v1/events": "EventListParams",
    "GET /v1/invoice_payments": "InvoicePaymentListParams",
    "GET /v1/invoiceitems": "InvoiceItemListParams",
    "POST /v1/invoiceitems": "InvoiceItemCreateParams",
    "GET /v1/invoices": "InvoiceListParams",
    "GET /v1/invoices/{id}": "InvoiceRetrieveParams",
    "POST /v1/invoices": "InvoiceCreateParams",
    "POST /v1/invoices/create_preview": "InvoiceCreatePreviewParams",
    "POST /v1/invoices/{id}/finalize": "InvoiceFinalizeInvoiceParams",
    "POST /v1/invoices/{id}/pay": "InvoicePayParams",
    "POST /v1/invoices/{id}/void": "InvoiceVoidInvoiceParams",
    "GET /v1/payment_intents/{id}": "PaymentIntentRetrieveParams",
    "GET /v1/prices": "PriceListParams",
    "GET /v1/prices/{id}": "PriceRetrieveParams",
    "POST /v1/prices": "PriceCreateParams",
    "GET /v1/products": "ProductListParams",
    "GET /v1/products/{id}": "ProductRetrieveParams",
    "POST /v1/products": "ProductCreateParams",
    "POST /v1/refunds": "RefundCreateParams",
    "POST /v1/subscription_schedules/{id}/release": "SubscriptionScheduleReleaseParams",
    "GET /v1/subscriptions": "SubscriptionListParams",
    "GET /v1/subscriptions/{id}": "SubscriptionRetrieveParams",
    "POST /v1/subscriptions": "SubscriptionCreateParams",
    "POST /v1/subscriptions/{id}": "SubscriptionUpdateParams",
    "DELETE /v1/subscriptions/{id}": "SubscriptionCancelParams",
    "POST /v1/subscriptions/{id}/resume": "SubscriptionResumeParams",
    "GET /v1/test_helpers/test_clocks/{id}": "test_helpers.TestClockRetrieveParams",
    "POST /v1/test_helpers/test_clocks": "test_helpers.TestClockCreateParams",
    "POST /v1/test_helpers/test_clocks/{id}/advance": "test_helpers.TestClockAdvanceParams",
    "GET /v1/webhook_endpoints": "WebhookEndpointListParams",
    "POST /v1/webhook_endpoints": "WebhookEndpointCreateParams",
    "POST /v1/webhook_endpoints/{id}": "WebhookEndpointUpdateParams",
}


def class_of(endpoint):
    found = stripe.params
    for part in CLASSES[endpoint].split("."):
        found = getattr(found, part)
    return found


def fits(hint, path, value, names):
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        hint = eval(hint, names)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing_extensions.NotRequired, typing.NotRequired, typing.Required):
        return fits(inner[0], path, value, names)
    if origin in (typing.Union, types.UnionType):
        return any(fits(one, path, value, names) for one in without_open_ends(inner))
    if origin is typing.Literal:
        return not path and value in map(written, inner)
    if origin is list:
        return bool(path) and path[0].isdigit() and fits(inner[0], path[1:], value, names)
    if origin is dict:
        return bool(path) and fits(inner[1], path[1:], value, names)
    if typing_extensions.is_typeddict(hint):
        return fits_parameters(hint, path, value)
    return not path and is_value(hint, value)


def without_open_ends(hints):
    """Where words are named, other text is no good, though the type leaves it open for versions to come."""
    words = [one for one in hints if typing.get_origin(one) is typing.Literal and typing.get_args(one) != ("",)]
    return [one for one in hints if one is not str] if words else hints


def fits_parameters(parameters, path, value):
    hints = {name: hint for name, hint in parameters.__annotations__.items() if name not in RequestOptions.__annotations__}
    names = vars(sys.modules[parameters.__module__])
    return bool(path) and path[0] in hints and fits(hints[path[0]], path[1:], value, names)


def written(word):
    return str(word).lower() if isinstance(word, bool) else str(word)


def is_value(hint, value):
    if hint is bool:
        return value in ("true", "false")
    if hint in (int, float, Decimal):
        try:
            hint(value)
        except (ValueError, ArithmeticError):
            return False
        return True
    return hint is str


for call in json.load(sys.stdin):
    parameters = class_of(call["endpoint"])
    given = {name.split("[")[0] for name, _ in call["parameters"]}
    for name in sorted(parameters.__required_keys__ - given):
        print(call["endpoint"], "needs", name)
    for name, value in call["parameters"]:
        path = [part for part in name.replace("]", "").split("[") if part]
        if not fits_parameters(parameters, path, value):
            print(call["endpoint"], f"{name}={value}")
print("done")
