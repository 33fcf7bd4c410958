"""Who may speak to the page: this machine's browser, or whoever knows the token."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = 'drift_page'
LOOPBACK = frozenset({'127.0.0.1', 'localhost', '::1'})
LARGEST_BODY = 1 << 20  # bytes
POLICY_VIOLATION = 1008  # of websockets
HEADERS = (
    (b'x-frame-options', b'DENY'),
    (b'x-content-type-options', b'nosniff'),
    (b'referrer-policy', b'no-referrer'),
    (b'cross-origin-resource-policy', b'same-origin'),
)


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Guard:
    """An ASGI application around another one, which it protects.

    Without a token only requests that name this machine are let through: a page elsewhere that
    makes its own name point here (DNS rebinding) does not. With one, whoever has it may name the
    machine as he likes. What changes something, websockets above all, must come from our own page.

    Args:
        app: what is protected.
        token: demanded once in the address as `?token=`, then kept in a cookie; empty: none.
    """

    def __init__(self, app: App, token: str = '') -> None:
        self.app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope['type'] not in ('http', 'websocket'):
            await self.app(scope, receive, send)
            return
        headers = {k.decode('latin-1').lower(): v.decode('latin-1') for k, v in scope['headers']}
        given = parse_qs(scope.get('query_string', b'').decode('latin-1')).get('token', [''])[0]
        if reason := self._refusal(scope, headers, given):
            await _refuse(scope, receive, send, reason)
        elif scope['type'] == 'websocket':
            await self.app(scope, receive, send)
        elif self._token and given:
            await self._welcome(scope, receive, send)
        else:
            await self.app(scope, _limited(receive), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str], given: str) -> str:
        """Why a request is refused; empty: it is not."""
        host = headers.get('host', '')
        origin = headers.get('origin', '')
        length = headers.get('content-length', '0')
        if not self._token and _name(host) not in LOOPBACK:
            return 'this page is for the machine that it runs on'
        if self._token and not self._knows(given, headers):
            return 'the token is missing or wrong: open the address that `drift page` printed'
        changes = scope['type'] == 'websocket' or scope['method'] not in ('GET', 'HEAD')
        if changes and origin and origin.partition('://')[2].lower() != host.lower():
            return 'this comes from another page'
        if changes and not origin:
            return 'a browser says which page a request comes from'
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return 'the request is too large'
        return ''

    def _knows(self, given: str, headers: dict[str, str]) -> bool:
        try:
            cookies = SimpleCookie(headers.get('cookie', ''))
        except CookieError:
            cookies = SimpleCookie()
        kept = cookies[COOKIE].value if COOKIE in cookies else ''
        return any(
            secrets.compare_digest(value.encode(), self._token.encode()) for value in (given, kept)
        )

    async def _welcome(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The token goes from the address, where it is seen, into a cookie."""
        response = RedirectResponse(scope['path'] or '/', status_code=303)
        response.set_cookie(COOKIE, self._token, httponly=True, samesite='strict')
        await response(scope, receive, _with_headers(send))


def _name(host: str) -> str:
    """The host's name without its port."""
    try:
        return urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return ''


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope['type'] == 'websocket':
        await receive()
        await send({'type': 'websocket.close', 'code': POLICY_VIOLATION, 'reason': reason})
        return
    await PlainTextResponse(f'{reason}\n', status_code=403)(scope, receive, _with_headers(send))


def _limited(receive: Receive) -> Receive:
    """Receives bodies up to the limit, also those that do not say how long they are."""
    left = LARGEST_BODY

    async def limited() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get('body', b''))
        return {'type': 'http.disconnect'} if left < 0 else message

    return limited


def _with_headers(send: Send) -> Send:
    async def added(message: MutableMapping[str, Any]) -> None:
        if message['type'] == 'http.response.start':
            message = {**message, 'headers': [*message.get('headers', []), *HEADERS]}
        await send(message)

    return added
