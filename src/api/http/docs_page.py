"""The page that shows the OpenAPI document to people, without anything from a third party's server."""

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse


def add_docs_page(app: FastAPI) -> None:
    """Serve it at /docs, below the prefix of the request. fastapi_offline serves its files; the page that it would add
    itself names an address for OAuth 2 without the prefix, which the service has no use for."""

    async def docs(request: Request) -> HTMLResponse:
        root: str = request.scope["root_path"]
        files = f"{root}{app.url_path_for('static-offline-docs', path='')}"
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{files}swagger-ui-bundle.js",
            swagger_css_url=f"{files}swagger-ui.css",
            swagger_favicon_url=f"{files}favicon.png",
        )

    app.add_route("/docs", docs, include_in_schema=False)
