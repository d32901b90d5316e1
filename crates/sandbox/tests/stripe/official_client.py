"""Stripe's official client against the stand-in: the whole life of a customer, then every object against its types.

Called with the address of the stand-in and its key. Prints `done` when everything held.
"""

import json
import sys
import threading
import time
import typing
import urllib.parse
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe
from stripe._object_classes import get_object_class

URL, KEY = sys.argv[1], sys.argv[2]
stripe.api_base, stripe.api_key, stripe.max_network_retries = URL, KEY, 0

# 1 April 2027, 00:00 UTC, in a month of 30 days.
START = 1_806_537_600
DAY = 86_400


class Received(BaseHTTPRequestHandler):
    """Takes webhooks and checks each with the client's own function."""

    secret, events, problems = None, [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = stripe.Webhook.construct_event(body, self.headers["stripe-signature"], self.secret)
            self.events.append(event)
        except Exception as problem:  # every problem is reported at the end
            self.problems.append(repr(problem))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def steer(path, body):
    request = urllib.request.Request(f"{URL}/sandbox/{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def raw(path, **params):
    request = urllib.request.Request(f"{URL}{path}?{urllib.parse.urlencode(params)}", headers={"authorization": f"Bearer {KEY}"})
    return json.load(urllib.request.urlopen(request))


def raw_list(path):
    data, after = [], {}
    while True:
        page = raw(path, limit=100, **after)
        data += page["data"]
        if not page["has_more"]:
            return data
        after = {"starting_after": page["data"][-1]["id"]}


def listen():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Received)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = stripe.WebhookEndpoint.create(
        url=f"http://127.0.0.1:{server.server_port}/hook", enabled_events=["*"], api_version=stripe.api_version
    )
    Received.secret = endpoint.secret
    return endpoint


def catalog():
    product = stripe.Product.create(name="Pro", metadata={"plan": "pro"})
    price = lambda key, amount, interval: stripe.Price.create(
        product=product.id, currency="usd", unit_amount=amount, recurring={"interval": interval}, lookup_key=key,
        currency_options={"eur": {"unit_amount": amount - 100}},
    )
    prices = {key: price(key, amount, interval) for key, amount, interval in
              [("small", 1000, "month"), ("large", 3000, "month"), ("yearly", 10000, "year")]}
    found = stripe.Price.list(lookup_keys=["large"], expand=["data.product", "data.currency_options"])
    assert found.data[0].product.name == "Pro" and found.data[0].currency_options["eur"].unit_amount == 2900
    moved = stripe.Price.create(product=product.id, currency="usd", unit_amount=1, recurring={"interval": "month"},
                                lookup_key="small", transfer_lookup_key=True)
    assert stripe.Price.retrieve(prices["small"].id).lookup_key is None
    stripe.Price.modify(moved.id, active=False)
    return prices


def life_of_a_customer(prices):
    """A trial, a renewal, an upgrade as previewed, a failed renewal, its recovery, an end, and the money back."""
    clock = stripe.test_helpers.TestClock.create(frozen_time=START - 7 * DAY, name="life")
    customer = stripe.Customer.create(email="ada@example.com", test_clock=clock.id, payment_method="pm_card_visa",
                                      invoice_settings={"default_payment_method": "pm_card_visa"})
    advance = lambda moment: stripe.test_helpers.TestClock.advance(clock.id, frozen_time=moment)
    subscription = stripe.Subscription.create(
        customer=customer.id, items=[{"price": prices["small"].id}], trial_period_days=7, metadata={"account": "acct_1"}
    )
    assert subscription.status == "trialing" and subscription.trial_end == START
    advance(START + 2 * 3600)
    subscription = stripe.Subscription.retrieve(subscription.id, expand=["latest_invoice.payments"])
    assert subscription.status == "active", subscription.status
    assert subscription.latest_invoice.amount_paid == 1000
    assert subscription.latest_invoice.payments.data[0].status == "paid"
    item = subscription["items"].data[0]
    assert item.current_period_start == START and item.current_period_end == START + 30 * DAY

    advance(START + 15 * DAY)
    change = [{"id": item.id, "price": prices["large"].id}]
    preview = stripe.Invoice.create_preview(
        subscription=subscription.id, subscription_details={"items": change, "proration_behavior": "always_invoice"}
    )
    assert [line.amount for line in preview.lines.data] == [-500, 1500] and preview.amount_due == 1000
    check_object(json.loads(preview.last_response.body), "preview")
    changed = stripe.Subscription.modify(subscription.id, items=change, proration_behavior="always_invoice", expand=["latest_invoice"])
    assert changed.latest_invoice.amount_paid == preview.amount_due
    assert [line.amount for line in changed.latest_invoice.lines.data] == [-500, 1500]

    broken = stripe.PaymentMethod.attach("pm_card_chargeCustomerFail", customer=customer.id)
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": broken.id})
    stripe.InvoiceItem.create(customer=customer.id, subscription=subscription.id, amount=250, currency="usd", description="Overage")
    advance(START + 30 * DAY + 2 * 3600)
    late = stripe.Subscription.retrieve(subscription.id, expand=["latest_invoice"])
    assert late.status == "past_due" and late.latest_invoice.amount_due == 3250
    try:
        stripe.Invoice.pay(late.latest_invoice.id)
        raise AssertionError("the card was to be declined")
    except stripe.CardError as declined:
        assert declined.code == "card_declined" and declined.http_status == 402, declined
    good = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    paid = stripe.Invoice.pay(late.latest_invoice.id, payment_method=good.id)
    assert paid.status == "paid" and paid.amount_paid == 3250
    assert stripe.Subscription.retrieve(subscription.id).status == "active"

    charge = stripe.Charge.list(customer=customer.id, limit=1).data[0]
    refund = stripe.Refund.create(charge=charge.id, amount=1000)
    assert refund.status == "succeeded" and stripe.Charge.retrieve(charge.id).amount_refunded == 1000
    stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    advance(START + 62 * DAY)
    assert stripe.Subscription.retrieve(subscription.id).status == "canceled"


def checkouts(prices):
    customer = stripe.Customer.create(email="grace@example.com", address={"country": "US", "postal_code": "94103"})
    stripe.Coupon.create(id="HALF", percent_off=50, duration="once")
    stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": "HALF"}, code="HALF")
    session = stripe.checkout.Session.create(
        mode="subscription", customer=customer.id, line_items=[{"price": prices["small"].id, "quantity": 1}],
        success_url="http://app.test/ok?session={CHECKOUT_SESSION_ID}", cancel_url="http://app.test/no",
        subscription_data={"metadata": {"account": "acct_2"}}, allow_promotion_codes=True, automatic_tax={"enabled": True},
    )
    assert session.subscription is None and session.url.startswith(URL)
    steer(f"checkout/{session.id}/pay", {"card": "4242424242424242", "promotion_code": "HALF"})
    session = stripe.checkout.Session.retrieve(session.id, expand=["subscription", "line_items"])
    assert session.status == "complete" and session.amount_total == 550, session.amount_total
    assert session.subscription.metadata["account"] == "acct_2"
    once = stripe.Price.create(product=prices["small"].product, currency="usd", unit_amount=4900)
    session = stripe.checkout.Session.create(
        mode="payment", customer=customer.id, line_items=[{"price": once.id, "quantity": 2}], success_url="http://app.test/ok"
    )
    asked = steer(f"checkout/{session.id}/pay", {"card": "4000002760003184"})
    steer(f"3ds/{asked['payment_intent']}", {"confirm": True})
    session = stripe.checkout.Session.retrieve(session.id, expand=["payment_intent.latest_charge"])
    assert session.payment_intent.latest_charge.amount == 9800
    expiring = stripe.checkout.Session.create(
        mode="subscription", customer=customer.id, line_items=[{"price": prices["yearly"].id, "quantity": 1}],
        success_url="http://app.test/ok",
    )
    assert stripe.checkout.Session.expire(expiring.id).status == "expired"
    return customer


def the_rest(prices, customer):
    disputed = stripe.Customer.create(payment_method="pm_card_createDispute",
                                      invoice_settings={"default_payment_method": "pm_card_createDispute"})
    stripe.Subscription.create(customer=disputed.id, items=[{"price": prices["small"].id}])
    dispute = stripe.Dispute.list().data[0]
    assert stripe.Dispute.close(dispute.id).status == "lost"
    waiting = stripe.Subscription.create(
        customer=customer.id, items=[{"price": prices["large"].id}], payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret"],
    )
    secret = waiting.latest_invoice.confirmation_secret.client_secret
    stripe.PaymentIntent.confirm(secret.split("_secret_")[0], payment_method="pm_card_visa")
    assert stripe.Subscription.retrieve(waiting.id).status == "active"

    schedule = stripe.SubscriptionSchedule.create(from_subscription=waiting.id)
    check_object(json.loads(schedule.last_response.body), "schedule")
    assert stripe.SubscriptionSchedule.release(schedule.id).status == "released"
    kept = stripe.SetupIntent.create(customer=customer.id, payment_method="pm_card_visa", confirm=True)
    assert kept.status == "succeeded" and stripe.SetupIntent.retrieve(kept.id).payment_method.startswith("pm_")

    meter = stripe.billing.Meter.create(display_name="Tokens", event_name="tokens", default_aggregation={"formula": "sum"})
    event = stripe.billing.MeterEvent.create(
        event_name="tokens", identifier="one", payload={"stripe_customer_id": customer.id, "value": "25"}
    )
    check_object(json.loads(event.last_response.body), "meter event")
    adjustment = stripe.billing.MeterEventAdjustment.create(event_name="tokens", type="cancel", cancel={"identifier": "one"})
    check_object(json.loads(adjustment.last_response.body), "meter event adjustment")
    assert meter.status == "active"

    configuration = stripe.billing_portal.Configuration.create(
        features={"invoice_history": {"enabled": True}, "subscription_cancel": {"enabled": True}, "payment_method_update": {"enabled": True},
                  "subscription_update": {"enabled": True, "default_allowed_updates": ["price"],
                                          "products": [{"product": prices["small"].product, "prices": [prices["small"].id, prices["large"].id]}]}},
    )
    portal = stripe.billing_portal.Session.create(customer=customer.id, configuration=configuration.id, return_url="http://app.test/")
    check_object(json.loads(portal.last_response.body), "portal session")

    invoice = stripe.Invoice.create(customer=customer.id, collection_method="send_invoice", days_until_due=30)
    stripe.InvoiceItem.create(customer=customer.id, invoice=invoice.id, price_data={
        "currency": "usd", "product": prices["small"].product, "unit_amount_decimal": "12.5"}, quantity=33)
    assert stripe.Invoice.finalize_invoice(invoice.id).total == 413  # 412.5 cents
    assert stripe.Invoice.void_invoice(invoice.id).status == "void"

    first = stripe.Customer.create(name="once", idempotency_key="one")
    again = stripe.Customer.create(name="once", idempotency_key="one")
    assert first.id == again.id
    try:
        stripe.Customer.create(name="other", idempotency_key="one")
        raise AssertionError("another request under the same key")
    except stripe.IdempotencyError:
        pass
    try:
        stripe.Customer.create(zip="1")
        raise AssertionError("an unknown parameter")
    except stripe.InvalidRequestError as unknown:
        assert unknown.code == "parameter_unknown" and unknown.param == "zip"
    assert stripe.Customer.delete(first.id).deleted
    assert stripe.Account.retrieve().id and stripe.Balance.retrieve().available[0].currency == "usd"


# -- Types -----------------------------------------------------------------------------------------------------------

PROBLEMS, SEEN = set(), {}


def check_object(value, where):
    """A JSON object that names its kind, against the client's class for it."""
    kind = value["object"]
    if kind == "list":
        for entry in value["data"]:
            check_object(entry, where)
        return
    SEEN[kind] = SEEN.get(kind, 0) + 1
    if value.get("deleted"):
        return
    found = get_object_class("V1", kind)
    if found is stripe.StripeObject:
        return
    check_fields(value, found, kind)


def hints_of(kind):
    hints = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("stripe") and base is not stripe.StripeObject:
            hints.update({name: hint for name, hint in vars(base).get("__annotations__", {}).items()})
    return {name: hint for name, hint in hints.items() if not name.startswith("_") and "ClassVar" not in str(hint)}


def check_fields(value, kind, where):
    hints = hints_of(kind)
    renamed = {name.rstrip("_"): hint for name, hint in hints.items()}
    if not hints:
        return
    for name in value:
        if name not in hints and name not in renamed:
            PROBLEMS.add(f"{where}.{name} is no field of Stripe's")
    for name, hint in hints.items():
        name = name if name in value else name.rstrip("_")
        if name not in value:
            if not is_optional(hint):
                PROBLEMS.add(f"{where}.{name} is missing")
        else:
            check_value(value[name], hint, f"{where}.{name}")


def is_optional(hint):
    return typing.get_origin(hint) is typing.Union and type(None) in typing.get_args(hint)


def check_value(value, hint, where):
    problem = mismatch(value, hint, where)
    if problem:
        PROBLEMS.add(f"{where} {problem}")


def mismatch(value, hint, where):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        if value is None:
            return None if type(None) in arguments else "may not be null"
        # Words that may become more are a union of the known ones and any text; here only the known ones will do.
        words = [argument for argument in arguments if str(typing.get_origin(argument)).endswith("Literal")]
        arguments = words if words and isinstance(value, str) else arguments
        problems = [mismatch(value, argument, where) for argument in arguments if argument is not type(None)]
        return None if None in problems else problems[0]
    if value is None:
        return "may not be null"
    if str(origin).endswith("Literal"):
        return None if value in arguments else f"is {value!r}, not one of {arguments}"
    if isinstance(hint, (str, typing.ForwardRef)):
        # An object or, unexpanded, its id.
        if isinstance(value, dict) and "object" in value:
            check_object(value, where)
        return None if isinstance(value, (str, dict)) else f"is {type(value).__name__}, not an object or its id"
    if origin is list:
        if not isinstance(value, list):
            return f"is {type(value).__name__}, not a list"
        for entry in value:
            check_value(entry, arguments[0], where)
        return None
    if "ListObject" in str(hint):
        if not isinstance(value, dict) or value.get("object") != "list":
            return "is not a list object"
        check_object(value, where)
        return None
    if hint is bool:
        return None if isinstance(value, bool) else f"is {type(value).__name__}, not a boolean"
    if hint is int:
        return None if type(value) is int else f"is {type(value).__name__}, not a whole number"
    if hint is float:
        return None if type(value) in (int, float) else f"is {type(value).__name__}, not a number"
    if hint in (str, Decimal):
        return None if isinstance(value, str) else f"is {type(value).__name__}, not a text"
    if isinstance(hint, type) and issubclass(hint, stripe.StripeObject) and not origin:
        if not isinstance(value, dict):
            return f"is {type(value).__name__}, not an object"
        check_fields(value, hint, where)
        return None
    return None


def check_everything():
    lists = ["customers", "products", "prices", "checkout/sessions", "invoices", "invoiceitems", "invoice_payments", "payment_intents",
             "setup_intents", "subscription_schedules",
             "charges", "refunds", "disputes", "billing_portal/configurations", "webhook_endpoints", "coupons", "promotion_codes",
             "billing/meters", "test_helpers/test_clocks", "events"]
    for path in lists:
        for entry in raw_list(f"/v1/{path}"):
            check_object(entry, path)
            if entry["object"] == "event":
                if entry["type"] == "invoice.upcoming":  # which has no id yet, as Stripe documents
                    entry["data"]["object"]["id"] = "in_upcoming"
                check_object(entry["data"]["object"], entry["type"])
    for entry in raw("/v1/subscriptions", status="all", limit=100, **{"expand[]": "data.discounts"})["data"]:
        check_object(entry, "subscriptions")
    for customer in raw_list("/v1/customers"):
        for entry in raw("/v1/payment_methods", customer=customer["id"])["data"]:
            check_object(entry, "payment_methods")


def main():
    endpoint = listen()
    prices = catalog()
    life_of_a_customer(prices)
    customer = checkouts(prices)
    the_rest(prices, customer)
    check_object(json.loads(endpoint.last_response.body), "webhook endpoint")
    check_everything()
    assert not PROBLEMS, "\n".join(sorted(PROBLEMS))
    wanted = {"customer", "subscription", "subscription_item", "invoice", "line_item", "charge", "payment_intent", "refund", "dispute",
              "checkout.session", "event", "price", "product", "payment_method", "invoiceitem", "invoice_payment", "coupon",
              "promotion_code", "setup_intent", "billing.meter", "billing.meter_event", "billing_portal.session", "billing_portal.configuration"}
    assert wanted <= set(SEEN), wanted - set(SEEN)
    urllib.request.urlopen(f"{URL}/sandbox/settled?timeout_ms=20000")
    assert not Received.problems, Received.problems
    types = {event.type for event in Received.events}
    assert {"invoice.paid", "customer.subscription.deleted", "charge.refunded", "checkout.session.completed"} <= types, types
    print("done")


main()
