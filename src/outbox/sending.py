"""What can become of a mail that is sent, whichever way it goes."""

from collections.abc import Awaitable, Callable

from outbox.message import Outgoing


class NotSent(Exception):
    """The mail was not sent, and may be tried again later."""


class Refused(NotSent):
    """The mail was refused for good: its address does not exist, or takes no such mail."""


Send = Callable[[Outgoing], Awaitable[None]]
"""Sends a mail. Raises NotSent, and Refused when it must not be tried again."""
