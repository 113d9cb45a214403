"""The event store: the codec, the recorder, the log and its SQL. Only this folder knows the event library.

These names are the public interface of the store. Code outside of `ledger` imports no module of this folder.
"""

from ledger.store.batch import Row
from ledger.store.feed import Feed, Logged, read, streams
from ledger.store.identity import ledger_id, ledger_id_of
from ledger.store.kept_snapshots import FalseSnapshot, KeptSnapshots, accounts_with_snapshots
from ledger.store.log import EventLog, Writer
from ledger.store.reader import Connection, End, NewestEvent, Reader, StoredRow
from ledger.store.records.chain import GENESIS, Record, UnreadableEvent
from ledger.store.records.codec import (
    TOPICS,
    Metadata,
    balance_from_json,
    balance_to_json,
    decode_event,
    decode_uncounted,
    to_json,
)
from ledger.store.records.receipts import BODY_FIELDS, fingerprint
from ledger.store.records.sealing import unseal

__all__ = [
    "BODY_FIELDS",
    "GENESIS",
    "TOPICS",
    "Connection",
    "End",
    "EventLog",
    "FalseSnapshot",
    "Feed",
    "KeptSnapshots",
    "Logged",
    "Metadata",
    "NewestEvent",
    "Reader",
    "Record",
    "Row",
    "StoredRow",
    "UnreadableEvent",
    "Writer",
    "accounts_with_snapshots",
    "balance_from_json",
    "balance_to_json",
    "decode_event",
    "decode_uncounted",
    "fingerprint",
    "ledger_id",
    "ledger_id_of",
    "read",
    "streams",
    "to_json",
    "unseal",
]
