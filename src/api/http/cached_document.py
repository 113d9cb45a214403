"""Documents that do not change while the process runs: made once, compressed once, and not sent to who has them."""

import gzip
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

_NOT_WORTH_IT = 0.9
"""A compressed document is kept if it is smaller than this share of the document."""


class CachedDocument:
    """A document in memory, plain and compressed, each with its entity tag."""

    def __init__(self, content: bytes, media_type: str, cache_control: str = "no-cache") -> None:
        self._media_type = media_type
        self._cache_control = cache_control
        digest = sha256(content).hexdigest()[:32]
        compressed = gzip.compress(content, mtime=0)
        self._plain = (content, f'"{digest}"')
        self._compressed = None
        if len(compressed) < len(content) * _NOT_WORTH_IT:
            self._compressed = (compressed, f'"{digest}-gzip"')

    def response(self, request: Request) -> Response:
        """The answer to a request: the document in a form that the client accepts, or 304 if the client has it."""
        headers = {"cache-control": self._cache_control}
        (content, tag), encoded = self._plain, False
        if self._compressed is not None:
            headers["vary"] = "Accept-Encoding"
            if accepts_gzip(request.headers.get("accept-encoding", "")):
                (content, tag), encoded = self._compressed, True
        headers["etag"] = tag
        if has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if encoded:
            headers["content-encoding"] = "gzip"
        return Response(content, headers=headers, media_type=self._media_type)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header names gzip, or all, and not with the weight 0."""
    weights = dict(_coding(part) for part in header.lower().split(","))
    return weights.get("gzip", weights.get("*", False))


def _coding(part: str) -> tuple[str, bool]:
    name, _, parameters = part.partition(";")
    _, _, weight = parameters.replace(" ", "").partition("q=")
    return name.strip(), weight.rstrip("0") not in {"0.", "."} and weight != "0"


def has_tag(header: str, tag: str) -> bool:
    """Whether an If-None-Match header names an entity tag."""
    return any(one.strip().removeprefix("W/") in {tag, "*"} for one in header.split(","))
