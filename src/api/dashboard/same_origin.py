"""Where a form comes from: browsers tell it in Origin and Sec-Fetch-Site, which no script can set.

This stands beside the token of the form. A program that is no browser sends neither header, and needs the token alone.
"""

from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.dashboard.options import options_of

_OURS = (None, "same-origin", "none")
"""`none`: the user did it without any page, by reloading, for example."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_same_origin(request: Request) -> None:
    """Raise HTTPException 403 if a page of another origin has sent the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in _OURS or (origin is not None and not _is_ours(request, origin, site)):
        raise HTTPException(
            403, "This form was not sent from a page of this dashboard. Open the page here, and send the form again."
        )


def _is_ours(request: Request, origin: str, site: str | None) -> bool:
    """Whether an origin is the public address, or the host that the request was sent to.

    Without a public address, a proxy may have changed the Host header, and the browser's own answer decides.
    """
    public = options_of(request).public_url
    scheme, host = _parts(origin)
    if not host:
        return False
    if public is not None and _parts(public)[1] == host:
        return _parts(public)[0] == scheme
    return host == request.headers.get("host", "").lower() or (public is None and site == "same-origin")


def _parts(url: str) -> tuple[str, str]:
    """The scheme and the host of an address, without the port that the scheme implies; empty texts if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
