-- The trial that a checkout begins. And what was played in the test mode of our own provider: the period of a
-- subscription, and the price of a change that counts it.
ALTER TABLE billing.checkouts ADD COLUMN trial_days integer CHECK (trial_days > 0);  -- null: none
ALTER TABLE billing.checkouts ADD COLUMN live boolean NOT NULL DEFAULT true;
ALTER TABLE billing.checkouts ALTER COLUMN live DROP DEFAULT;
ALTER TABLE billing.manual_subscriptions ADD COLUMN live boolean NOT NULL DEFAULT true;
ALTER TABLE billing.manual_subscriptions ALTER COLUMN live DROP DEFAULT;

-- Account holders say that they have paid in the test mode alone.
UPDATE billing.manual_subscriptions AS s SET live = false
FROM billing.checkouts AS c
WHERE c.checkout_id = s.checkout_id AND c.paid_by = 'holder';
UPDATE billing.checkouts AS c SET live = false
FROM billing.manual_subscriptions AS s
WHERE s.subscription_id = c.subscription_id AND c.purpose = 'change' AND NOT s.live;
