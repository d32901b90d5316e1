-- Usage past limits that is reported to a meter at Stripe: which of a subscription's items are counted by meters, and what
-- was reported when.
ALTER TABLE billed_subscriptions ADD COLUMN metered TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE overage_charges ADD COLUMN stripe_meter TEXT COLLATE "C";
ALTER TABLE overage_charges ADD COLUMN reported_at BIGINT;
