"""URLs of databases: whether libpq reads one as it was meant, with every special character of a password encoded; and
how one is shown, without its password."""

from urllib.parse import quote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def is_postgres_url(url: str) -> bool:
    """Whether libpq parses the URL as intended. Only libpq's own parser knows everything that it allows."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return (
        url.startswith(("postgresql://", "postgres://"))
        and _password_is_encoded(url)
        and all(_is_port(port) for port in str(parts.get("port", "")).split(","))
    )


def without_password(url: str) -> str:
    """The same URL, to be shown: libpq would read the same from it, apart from passwords."""
    read = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    parts = {name: value for name, value in read.items() if name not in ("password", "sslpassword")}
    name, user = quote(parts.pop("dbname", ""), safe=""), quote(parts.pop("user", ""), safe="")
    place = ""
    if not any(sign in parts.get("host", "") for sign in "/,:"):  # one host with a plain name
        port = parts.pop("port", "")
        place = parts.pop("host", "") + (f":{port}" if port else "")
    rest = urlencode(parts, quote_via=quote)
    return f"postgresql://{user}{'@' if user else ''}{place}/{name}{'?' if rest else ''}{rest}"


def _password_is_encoded(url: str) -> bool:
    """Whether no part of a password is read as something else.

    libpq ends the password at the first `@`, and finds no `@` after a `/`. With one of them in a password, the rest of
    it would become the name of a host, a port or a database, which error messages show.
    """
    before, _, after = url.partition("://")[2].partition("@")
    return "@" not in after and not (after and "/" in before)


def _is_port(text: str) -> bool:
    """Whether it is a port, or empty for the default. libpq accepts any text, and shows it when it connects."""
    return not text or (text.isascii() and text.isdecimal() and 0 < int(text) < 2**16)
