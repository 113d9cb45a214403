"""The event library's mapper, with the ledger's own bytes."""

from typing import Any

from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from ledger.store.records.codec import Stored, decode, encode


class LedgerMapper(Mapper[str]):
    """The event library's mapper, implemented with this codec."""

    def __init__(self) -> None:
        super().__init__(transcoder=JSONTranscoder())

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Convert a Stored to the library's StoredEvent."""
        topic, state = encode(domain_event.event, domain_event.metadata)
        return StoredEvent(domain_event.account_id, domain_event.version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Convert the library's StoredEvent to a Stored."""
        event, metadata = decode(stored_event.topic, stored_event.state)
        return Stored(str(stored_event.originator_id), stored_event.originator_version, event, metadata)
