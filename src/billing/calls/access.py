"""What is needed to call a payment provider."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Access:
    """An API key, and the address of the API if it is not the usual one.

    `test` is whether the provider plays, where that is another address. `store` is the id of the store, where a seller
    has several.
    """

    key: str = field(repr=False)
    address: str | None = None
    test: bool = False
    store: str | None = None
