"""The OpenAPI document at /openapi.json, and the page /docs, which shows it and loads nothing from third parties."""

import asyncio
import re
from functools import cache
from pathlib import Path

import fastapi_offline
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from api.http.cached_document import CachedDocument
from api.http.security_headers import SecurityHeaders

OPENAPI = "/openapi.json"
DOCS = "/docs"
FILES = "/static-offline-docs"
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}
"""The files of fastapi_offline that the page needs."""


def add_docs_page(app: FastAPI, *, https: bool) -> None:
    """Serve the document, the page and its files below the path prefix of the request, with the security headers."""

    made: dict[str, asyncio.Task[CachedDocument]] = {}

    def document(root: str) -> CachedDocument:
        found = app.openapi()
        if root:
            found = {**found, "servers": [{"url": root}]}
        return CachedDocument(orjson.dumps(found), "application/json")

    @cache
    def page(root: str) -> str:
        html = get_swagger_ui_html(
            openapi_url=f"{root}{OPENAPI}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{FILES}/favicon.png",
            swagger_ui_parameters={
                "validatorUrl": None,  # it would ask a third party, with our address
                "defaultModelsExpandDepth": 0,  # the hundreds of types are half of the page: they open at a click
            },
        )
        return bytes(html.body).decode()

    async def openapi(request: Request) -> Response:
        root = request.scope["root_path"]
        if root not in made:  # in a thread, because it takes a fifth of a second
            made[root] = asyncio.create_task(asyncio.to_thread(document, root))
        return (await asyncio.shield(made[root])).response(request)

    async def docs(request: Request) -> Response:
        return HTMLResponse(_with_nonce(page(request.scope["root_path"]), request.state.nonce))

    protected = [Middleware(SecurityHeaders, https=https)]
    for path, endpoint in ((OPENAPI, openapi), (DOCS, docs), (f"{FILES}/{{name}}", _file)):
        app.router.routes.append(Route(path, endpoint, include_in_schema=False, middleware=protected))


def _with_nonce(page: str, nonce: str) -> str:
    """The page whose scripts and stylesheets the policy of the answer allows."""
    return re.sub("<script|<style|<link ", lambda found: f'{found[0].rstrip()} nonce="{nonce}" ', page)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _MEDIA_TYPES:
        raise HTTPException(404)
    return _cached(name).response(request)


@cache
def _cached(name: str) -> CachedDocument:
    content = Path(fastapi_offline.__file__).with_name("static").joinpath(name).read_bytes()
    return CachedDocument(content, _MEDIA_TYPES[name], "public, max-age=86400")
