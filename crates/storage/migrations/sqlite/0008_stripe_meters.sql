-- Usage past limits that is reported to a meter at Stripe: which of a subscription's items are counted by meters, and what
-- was reported when.
ALTER TABLE billed_subscriptions ADD COLUMN metered TEXT NOT NULL DEFAULT '[]';
ALTER TABLE overage_charges ADD COLUMN stripe_meter TEXT;
ALTER TABLE overage_charges ADD COLUMN reported_at INTEGER;
