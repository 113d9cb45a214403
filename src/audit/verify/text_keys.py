"""Verifies text keys: a key goes only with the event that says so, and it opens the texts that it sealed."""

from collections.abc import Sequence

import orjson

from ledger.domain.texts import SEALED
from ledger.proof.walk import Breach, Place
from ledger.store import Reader, Record, unseal

_ERASED = "TextsErased"
_TEXTS = ("description", "metadata", "reason")
_MARK = f'"{SEALED}'.encode()


class TextKeys:
    """The accounts with texts that no key opens, until an erasure of theirs is found later in the log."""

    def __init__(self) -> None:
        self._unopened: dict[str, tuple[Record, bool]] = {}
        """The first event of each account with such a text, and whether the account has a key at all."""

    async def take(self, reader: Reader, records: Sequence[Record]) -> None:
        """Verify one text of each account with texts in a page of the log."""
        sealed: dict[str, tuple[Record, str]] = {}
        for record in records:
            if record.topic == _ERASED:
                self._unopened.pop(record.account_id, None)
                sealed.pop(record.account_id, None)
            elif (token := _token(record.state)) is not None:
                sealed[record.account_id] = record, token
        keys = await reader.text_keys(sealed) if sealed else {}
        for name, (record, token) in sealed.items():
            if unseal(keys.get(name), name, token) is None:
                self._unopened.setdefault(name, (record, name in keys))

    def finish(self) -> None:
        """Finish: the log ends here. Raises Breach when a key was changed or destroyed without an event."""
        for record, has_key in self._unopened.values():
            problem = "the key of its account does not open its text" if has_key else "the key of its text is gone"
            place = Place(record.position, record.account_id, record.version)
            raise Breach("text", place, f"{problem}, and no later event erases the texts of the account")


def _token(state: bytes) -> str | None:
    """The first sealed text in the stored state of an event; None when there is none."""
    if _MARK not in state:
        return None
    data = orjson.loads(state)["data"]
    texts = (data[name] for name in _TEXTS if name in data)
    return next((text for text in texts if isinstance(text, str) and text.startswith(SEALED)), None)
