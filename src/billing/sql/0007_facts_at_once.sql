-- Facts are looked up as soon as they are there. The list of entries that an index of this kind has not sorted in yet is
-- read as a whole by every search, which makes each webhook dearer than the one before, until the list is full.
ALTER INDEX billing.facts_about SET (fastupdate = off);
ALTER INDEX billing.webhooks_waiting_for SET (fastupdate = off);
SELECT gin_clean_pending_list('billing.facts_about'), gin_clean_pending_list('billing.webhooks_waiting_for');
