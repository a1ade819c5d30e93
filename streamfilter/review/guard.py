"""Who may ask: this machine or whoever has the token, under the server's own name, from no other page.

A browser runs the pages of strangers beside ours, and they can send requests to this machine. They cannot read what is
answered, but a name of theirs can be made to point here (DNS rebinding), and a request that changes something has done
it before its answer is withheld. So the name in `Host` must be ours, and what changes something must come from our
own page by `Origin`; `Sec-Fetch-Site` keeps others from embedding pictures and videos.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
READING = ("GET", "HEAD")


class Guard:
    """ASGI middleware. `names`: host names that mean this server. `token` None: none is needed.

    Without a token only names of the loopback interface are taken, with one any address written in numbers: those
    cannot be made to point elsewhere.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str], token: str | None, cookie: str = "streamfilter") -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._token = token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out[name] = value
                if refusal is None and self._token is not None and self._is_invited(scope):
                    out.append(
                        "Set-Cookie", f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800"
                    )
            await send(message)

        app: ASGIApp = self._app if refusal is None else PlainTextResponse(refusal, status_code=403)
        await app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why the request is refused; None when it is not."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "this server does not go by that name"
        if scope["method"] not in READING and headers.get("origin") != f"http://{host}":
            return "only the review page itself may change something"
        is_visit = scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_visit:
            return "other pages may not use this server"
        if self._token is not None and not (self._has_cookie(headers) or self._is_invited(scope)):
            return "open the address that streamfilter review has printed, with its token"
        return None

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.rpartition(":")[0] or host
        if name.lower() in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._token is not None or address.is_loopback

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        morsel = cookies.get(self._cookie)
        return morsel is not None and self._matches(morsel.value)

    def _is_invited(self, scope: Scope) -> bool:
        if scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        return self._matches(given[0])

    def _matches(self, token: str) -> bool:
        return self._token is not None and secrets.compare_digest(token.encode(), self._token.encode())
