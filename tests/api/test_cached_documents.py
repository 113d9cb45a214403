"""Documents that do not change: compressed, with an entity tag, and not sent again to a client that has them."""

import gzip

import httpx
import pytest

from api.dashboard.rendering import static_path
from api.http.cached_document import accepts_gzip
from tests.service import PLAIN, Service

PATHS = [
    *("/openapi.json", "/static-offline-docs/swagger-ui-bundle.js", "/static-offline-docs/swagger-ui.css"),
    *(static_path("/dashboard", name) for name in ("app.css", "app.js")),
]


def get(service: Service, path: str, **headers: str) -> httpx.Response:
    """A request with these headers, as a stranger sends it."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(
        service.url + path, headers={"Accept-Encoding": "identity", **headers}, trust_env=False, verify=PLAIN
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_document_is_compressed_and_sent_once(service: Service, path: str) -> None:
    plain, compressed = get(service, path), get(service, path, Accept_Encoding="br, gzip;q=0.5")
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.content == plain.content
    assert len(gzip.compress(plain.content)) > int(compressed.headers["content-length"]) * 0.9
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2 + 200
    assert plain.headers["vary"] == compressed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != compressed.headers["etag"]
    for answer, accepted in ((plain, "identity"), (compressed, "gzip")):
        tag = answer.headers["etag"]
        for condition in (tag, f'"other", W/{tag}', "*"):
            again = get(service, path, Accept_Encoding=accepted, If_None_Match=condition)
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert get(service, path, Accept_Encoding=accepted, If_None_Match='"other"').status_code == 200


def test_there_is_no_other_file(service: Service) -> None:
    for path in ("/static-offline-docs/redoc.standalone.js", "/static-offline-docs/..%2Fcore.py"):
        assert get(service, path).status_code == 404


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        *(("gzip", True), ("GZIP ; q=1.0", True), ("deflate, gzip;q=0.001", True), ("*", True), ("*;q=0, gzip", True)),
        *(("", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("br", False), ("*;q=0", False)),
        *(("gzip;q=0, *", False), ("xgzip", False)),
    ],
)
def test_who_accepts_gzip(header: str, accepted: bool) -> None:  # noqa: FBT001
    assert accepts_gzip(header) is accepted
