"""Signs a body as Stripe's own client does, and has that client check it: secret and time are arguments."""

import sys

import stripe

secret, sent = sys.argv[1:3]
body = sys.stdin.buffer.read()
text = body.decode()
signature = stripe.WebhookSignature._compute_signature(f"{sent}.{text}", secret)
header = f"t={sent},v1={signature}"
event = stripe.Webhook.construct_event(body, header, secret, tolerance=None)
print(f"{event.id} {header}")
