"""Who is let in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip('starlette', reason='the page is optional: nicegui')

from drift_ros.page.guard import COOKIE, LARGEST_BODY, Guard

HERE = {'host': '127.0.0.1:8080'}
OURS = HERE | {'origin': 'http://127.0.0.1:8080'}
CODES = {'websocket.accept': 101, 'websocket.close': 403}


def ask(
    token: str = '', kind: str = 'http', method: str = 'GET', query: str = '', body: int = 0,
    **headers: str,
) -> tuple[int, dict[str, str]]:  # fmt: skip
    """Status (of a websocket: 101 or 403) and headers of an answer."""
    scope: dict[str, Any] = {
        'type': kind,
        'path': '/',
        'query_string': query.encode(),
        'headers': [(k.replace('_', '-').encode(), v.encode()) for k, v in headers.items()],
    } | ({'method': method} if kind == 'http' else {})
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] == 'websocket':
            await send({'type': 'websocket.accept'})
            return
        while (message := await receive()).get('more_body'):
            pass
        gone = message['type'] == 'http.disconnect'
        await send({'type': 'http.response.start', 'status': 413 if gone else 200})

    left = body

    async def receive() -> Any:
        nonlocal left
        part = min(left, 65536)
        left -= part
        return {'type': 'http.request', 'body': bytes(part), 'more_body': left > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(app, token)(scope, receive, send))
    if kind == 'websocket':
        return CODES[sent[0]['type']], {}
    given = {k.decode(): v.decode() for k, v in sent[0].get('headers', [])}
    return sent[0]['status'], given


def test_this_machine_needs_no_token_and_other_names_are_refused() -> None:
    for host in ('127.0.0.1:8080', 'localhost', '[::1]:8080'):
        status, headers = ask(host=host)
        assert status == 200 and headers['x-frame-options'] == 'DENY'
    for host in ('evil.example', '127.0.0.1.evil.example', '', '[', '10.0.0.1:8080'):
        assert ask(host=host)[0] == 403


def test_what_changes_something_must_come_from_our_page() -> None:
    assert ask(kind='websocket', **OURS)[0] == 101
    assert ask(method='POST', **OURS)[0] == 200
    for origin in ('http://evil.example', 'http://127.0.0.1:9999', 'null', 'http://[', ''):
        given = HERE | {'origin': origin}
        assert ask(kind='websocket', **given)[0] == ask(method='POST', **given)[0] == 403
    assert ask(kind='websocket', **HERE)[0] == 403


def test_elsewhere_a_token_is_demanded_once() -> None:
    there = {'host': 'robot.local:8080'}
    ours, other = {'origin': 'http://robot.local:8080'}, {'origin': 'http://evil.example'}
    assert ask('secret', **there)[0] == 403
    assert ask('secret', query='token=wrong', **there)[0] == 403
    assert ask('secret', kind='websocket', **there, **ours)[0] == 403
    status, headers = ask('secret', query='token=secret', **there)
    assert status == 303 and headers['location'] == '/'  # it is not left in the address
    cookie = headers['set-cookie']
    assert 'HttpOnly' in cookie and 'samesite=strict' in cookie.lower()
    known = there | {'cookie': f'a=b; {COOKIE}=secret'}
    assert ask('secret', **known)[0] == 200
    assert ask('secret', kind='websocket', **known, **ours)[0] == 101
    assert ask('secret', kind='websocket', **known, **other)[0] == 403
    assert ask('secret', **there, cookie=f'{COOKIE}=\u00e9;;=')[0] == 403


def test_bodies_are_bounded() -> None:
    assert ask(method='POST', **OURS, content_length=str(LARGEST_BODY + 1))[0] == 403
    assert ask(method='POST', **OURS, content_length='-1')[0] == 403
    assert ask(method='POST', **OURS, body=LARGEST_BODY)[0] == 200
    assert ask(method='POST', **OURS, body=LARGEST_BODY + 1)[0] == 413  # and says no length
