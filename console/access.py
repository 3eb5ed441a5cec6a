"""Access control: the token, presented once, and no requests from other sites."""

import hashlib
import hmac
import html
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_COOKIE = "dfd_console"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>dfd console</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 15vh auto; }}
input, button {{ font: inherit; padding: .5rem; width: 100%; box-sizing: border-box; }}
</style></head><body><main>
<h1>dfd console</h1><p>{message}</p>
<form method="get" action="/"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Open</button></form>
</main></body></html>"""


class Doorkeeper:
    """ASGI middleware that checks access, for pages and web sockets alike.

    Args:
        token: None requires none; then only names of this machine are answered, so that no web
            site can reach the console through a domain name of its own.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or rejects it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4403})

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return HTMLResponse("another site may not access the console", 403)
        if self._token is None:
            named = urlsplit(f"//{host}").hostname
            if named not in _LOOPBACK:
                return HTMLResponse("open the console as localhost, or give it a token", 403)
            return None
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        if cookie is not None and hmac.compare_digest(cookie.value, self._ticket):
            return None
        if scope["type"] == "websocket":
            return HTMLResponse("", 403)
        return self._ask(Request(scope))

    def _ask(self, request: Request) -> Response:
        given = parse_qs(request.url.query).get("token", [])
        assert self._token is not None
        if given and hmac.compare_digest(given[0].encode(), self._token.encode()):
            # the token leaves the address bar and the history at once
            answer: Response = RedirectResponse(request.url.path, 303)
            answer.set_cookie(
                _COOKIE,
                self._ticket,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
            return answer
        message = "That token is wrong." if given else "This console requires its token."
        return HTMLResponse(_PAGE.format(message=html.escape(message)), 401)

    @property
    def _ticket(self) -> str:
        """Returns what the browser keeps: derived from the token, but not the token itself."""
        assert self._token is not None
        return hmac.new(self._token.encode(), b"dfd console", hashlib.sha256).hexdigest()
