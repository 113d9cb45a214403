-- The address that ends mails of a kind to whoever gets one; null for mails that always come. It goes with the text.
ALTER TABLE outbox.mails ADD COLUMN ending text;
