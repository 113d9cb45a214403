"""The page /docs, which shows the OpenAPI document and loads nothing from third parties."""

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse


def add_docs_page(app: FastAPI) -> None:
    """Serve the page below the path prefix of the request.

    fastapi_offline serves the files. Its own page is not used: its address for OAuth 2 lacks the prefix.
    """

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
