-- When the billing cycle of a subscription began anew: what periods counted from before, and until when.
ALTER TABLE billed_subscriptions ADD COLUMN former_anchors TEXT COLLATE "C" NOT NULL DEFAULT '[]';
