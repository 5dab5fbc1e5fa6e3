"""The interface in OpenAPI 3.1 and a page to read and try it, without a network."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response
from swagger_ui_bundle import swagger_ui_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

OPENAPI = files("producers.bridge").joinpath("openapi.json").read_bytes()

_HEADERS = {
    # Swagger UI draws its icons from data: addresses; everything else comes from here.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>mailing-trigger</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/page.js"></script>
</body>
</html>
"""
_SCRIPT = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null
});
"""
BUNDLED = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


async def openapi(request: Request) -> Response:
    """Answer the interface's description."""
    return Response(OPENAPI, media_type="application/json")


async def page(request: Request) -> Response:
    """Answer the page that shows it."""
    return Response(_PAGE, headers=_HEADERS, media_type="text/html")


async def script(request: Request) -> Response:
    """Answer the few lines that start the page; inline ones would need a hole in its policy."""
    return Response(_SCRIPT, headers=_HEADERS, media_type="text/javascript")


def bundled(name: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of one of Swagger UI's files."""
    path = swagger_ui_path / name

    async def file(request: Request) -> Response:
        return FileResponse(path, headers=_HEADERS)

    return file
