"""Serves the page on one port of one process."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import uvicorn
from fastapi import FastAPI, Response
from nicegui import ui

from drift_ros.errors import DriftError
from drift_ros.page.guard import LARGEST_BODY, LOOPBACK, Guard, new_token
from drift_ros.page.pictures import Album

MOST_PAGES = 16
MOST_CONNECTIONS = 128
RECONNECT = 10.0  # s that a page and its marks wait for a browser whose line broke
STYLE = Path(__file__).with_name('page.css')
BLUE = '#1769ff'


class PortError(DriftError):
    """The page cannot be served at that address."""


class Page(Protocol):
    """What one browser tab shows."""

    def close(self) -> None:
        """The tab is gone."""
        ...


def serve(
    make: Callable[[Album], Page],
    host: str = '127.0.0.1',
    port: int = 8080,
    ready: Callable[[str], object] = lambda address: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        make: builds the page of one browser tab.
        host: address to listen on; any but this machine's own demands a random token.
        port: 0: any that is free.
        ready: called with the address to open.

    Raises:
        PortError: the address is taken or not this machine's.
    """
    token = '' if host in LOOPBACK else new_token()
    listening = _listen(host, port)
    name = f'[{host}]' if ':' in host else host
    address = f'http://{name}:{listening.getsockname()[1]}/' + (f'?token={token}' if token else '')
    config = uvicorn.Config(
        Guard(application(make), token),
        log_level='warning',
        access_log=False,
        ws_max_size=LARGEST_BODY,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    ready(address)
    logging.getLogger('nicegui').setLevel(logging.WARNING)
    # it looks at every object of the process, also at deprecated ones of torch
    warnings.filterwarnings('ignore', category=FutureWarning, module=r'nicegui\.')
    with suppress(KeyboardInterrupt):  # how a server ends
        uvicorn.Server(config).run(sockets=[listening])


def application(make: Callable[[Album], Page]) -> FastAPI:
    """The ASGI application, not yet guarded; one per process, since NiceGUI has one."""
    app, album = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), Album()
    pages: list[Page] = []

    @app.get('/picture/{name}.jpg')
    def picture(name: str) -> Response:
        found = album.get(name)
        if found is None:
            return Response(status_code=404)
        return Response(
            found.jpeg(), media_type='image/jpeg', headers={'cache-control': 'no-store'}
        )

    @ui.page('/')
    def index() -> None:
        ui.add_css(STYLE)
        ui.colors(primary=BLUE)
        if len(pages) >= MOST_PAGES:
            ui.label(f'{MOST_PAGES} pages are open, which is the most: close one and reload.')
            return
        page = make(album)
        pages.append(page)

        def gone() -> None:
            if page in pages:
                pages.remove(page)
                page.close()

        ui.context.client.on_delete(gone)

    ui.run_with(
        app,
        title='drift',
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        message_history_length=200,
        reconnect_timeout=RECONNECT,
    )
    return app


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise PortError(
            f'cannot serve at {host}, port {port}: {error}; choose another with --host or --port'
        ) from None
    return listening
