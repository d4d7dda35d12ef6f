"""Checks every request first: refuses web pages and foreign hosts on loopback, and a missing token anywhere."""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from miniseg_edge.errors import ForbiddenError, MiniSegError, UnauthorizedError
from miniseg_edge.runtimes.serving.http.connection import Standing, stand
from miniseg_edge.runtimes.serving.http.delivery import deliver
from miniseg_edge.runtimes.serving.protocol.answers import answer_of_error

OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")
"""Paths for supervisors without a token; they reveal one bit."""


class Guard:
    """ASGI middleware. A web page can reach loopback too, under its own host name or with an `Origin`."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, token: bytes | None) -> None:
        """Protects `app`: the accepted host names, None for any, and the token, None for none."""
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except MiniSegError as error:
                await deliver(answer_of_error(error), send, last=True)
                return
            if scope["path"] not in OPEN_PATHS:
                stand(scope, Standing.KNOWN)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if b"origin" in headers:
            raise ForbiddenError("the request comes from a web page", expected="a program", got="an Origin header")
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _name_of(host) not in self._hosts:
            raise ForbiddenError(
                "the request is addressed to another host",
                expected=" or ".join(sorted(self._hosts)),
                got="another Host header",
            )
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                raise UnauthorizedError(
                    "the token is missing or wrong", expected="Authorization: Bearer TOKEN", got="no valid token"
                )


def _name_of(host: str) -> str:
    """Without the port."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
