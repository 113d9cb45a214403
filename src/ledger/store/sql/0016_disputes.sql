-- Disputes of payments. An open one holds what the payment bought; credits that come back from it may lapse, and an index of
-- its own finds them for a reinstatement: there are few such events.

INSERT INTO ledger.topics (topic) VALUES ('DisputeRecorded');

CREATE INDEX events_lapses_of_disputes ON ledger.events (originator_id, originator_version)
WHERE topic = 'DisputeRecorded' AND position('"fate":"lapsed"'::bytea IN state) > 0;
