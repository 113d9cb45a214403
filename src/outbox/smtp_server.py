"""Where mail goes: a server that is reached over TLS, from the start or with STARTTLS before anything else is said.

A server that does not offer STARTTLS gets no mail, because somebody between it and us may have taken the offer away.
Only `?starttls=off` in the address allows that, for a server on this machine.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes. `starttls` is None for TLS from the start."""

    host: str
    port: int
    starttls: bool | None
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> "SmtpServer":
        """The server of `smtp://user:password@host:port`, or `smtps://`. Raises ValueError for any other address."""
        parts = urlsplit(url)
        options = parse_qs(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True)
        off = options == {"starttls": ["off"]}
        known = parts.scheme in ("smtp", "smtps") and parts.path in ("", "/") and not parts.fragment
        if not known or not parts.hostname or (options and not (off and parts.scheme == "smtp")):
            raise ValueError("an address such as smtp://user:password@host:587")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("a user and a password, or neither")
        secure = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if secure else 587),
            None if secure else not off,
            parts.username and unquote(parts.username),
            parts.password and unquote(parts.password),
        )
