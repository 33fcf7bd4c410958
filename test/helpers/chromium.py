"""Chromium without a window, told what to do over its DevTools protocol.

Its only needs are a browser and the websockets that NiceGUI brings, so that no driver has to fit.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

WAIT = 120.0  # s; nothing waits that long where the machine does not stand still
DEBUGGER = 'DevToolsActivePort'


class Tab:
    """One tab."""

    def __init__(self, port: int, url: str, width: int, height: int, dark: bool) -> None:
        from websockets.sync.client import connect

        request = urllib.request.Request(f'http://127.0.0.1:{port}/json/new', method='PUT')
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            target = json.load(answer)
        self._open = ExitStack()
        address = target['webSocketDebuggerUrl']
        self._socket = self._open.enter_context(connect(address, max_size=None, ping_interval=None))
        self._numbers = itertools.count(1)
        self._held = False  # whether the mouse's button is down
        self.errors: list[str] = []  # what the page's scripts complained about
        for domain in ('Page', 'Runtime', 'Network'):
            self.call(f'{domain}.enable')
        size = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600}
        self.call('Emulation.setDeviceMetricsOverride', **size)
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', features=[scheme])
        self.call('Page.navigate', url=url)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the protocol, and note what the page complains about meanwhile."""
        number = next(self._numbers)
        self._socket.send(json.dumps({'id': number, 'method': method, 'params': parameters}))
        end = time.monotonic() + WAIT
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT))
            assert time.monotonic() < end, f'no answer to {method} {parameters} in {WAIT} s'
            if answer.get('method') == 'Runtime.exceptionThrown':
                self.errors.append(json.dumps(answer['params']['exceptionDetails'])[:500])
            if answer.get('id') == number:
                assert 'error' not in answer, answer
                return answer['result']

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression."""
        result = self.call('Runtime.evaluate', expression=script, returnByValue=True)
        return result['result'].get('value')

    def until(self, condition: str | Callable[[], Any], timeout: float = WAIT) -> Any:
        """Wait for a JavaScript expression, or a function, to be true."""
        end = time.monotonic() + timeout
        while True:
            value = self.run(condition) if isinstance(condition, str) else condition()
            if value:
                return value
            said = self.run('document.body && document.body.innerText')
            assert time.monotonic() < end, f'{condition} did not come true; the page says: {said}'
            time.sleep(0.05)

    def text(self) -> str:
        """What the page says."""
        return str(self.run('document.body.innerText'))

    def place(self, selector: str) -> tuple[float, float, float, float]:
        """x, y, width and height of an element in px of the window."""
        box = self.until(
            '(e => e && (b => b.width && [b.x, b.y, b.width, b.height])'
            f'(e.getBoundingClientRect()))(document.querySelector({json.dumps(selector)}))'
        )
        return tuple(box)

    def press(self, selector: str) -> None:
        """Click in the middle of an element."""
        x, y, width, height = self.place(selector)
        self.drag([(x + width / 2, y + height / 2)])

    def button(self, text: str) -> None:
        """Click the visible button of a text."""
        mark = f'b => b.innerText.trim().endsWith({json.dumps(text)}) && b.offsetParent'
        find = f'[...document.querySelectorAll("button")].find({mark})'
        self.until(f'!!{find} && !{find}.disabled')
        self.run(f'{find}.click()')

    def drag(self, places: list[tuple[float, float]], shift: bool = False) -> None:
        """Press at the first place, move through the others, release at the last."""
        self.mouse('mouseMoved', places[0], shift)
        self.mouse('mousePressed', places[0], shift)
        for place in places[1:]:
            self.mouse('mouseMoved', place, shift)
        self.mouse('mouseReleased', places[-1], shift)

    def mouse(self, kind: str, place: tuple[float, float], shift: bool = False) -> None:
        """Move, press or release the mouse; button and place are as a person's would be."""
        self._held = kind != 'mouseReleased' and (self._held or kind == 'mousePressed')
        self.call(
            'Input.dispatchMouseEvent', type=kind, x=place[0], y=place[1],
            modifiers=8 if shift else 0, button='none' if kind == 'mouseMoved' else 'left',
            buttons=int(self._held), clickCount=1,
        )  # fmt: skip

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call('Input.insertText', text=text)

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call('Page.captureScreenshot', format='png')['data'])

    def close(self) -> None:
        """Close the tab."""
        self.call('Page.close')
        self._open.close()


@contextmanager
def chromium() -> Iterator[Callable[..., Tab]]:
    """A browser; gives what opens a tab. Skips without a browser."""
    from browser import find

    pytest.importorskip('websockets', reason='comes with NiceGUI')
    with tempfile.TemporaryDirectory() as folder:
        browser = subprocess.Popen(
            [
                find(), '--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0',
                '--disable-background-networking', '--no-first-run', '--hide-scrollbars',
                f'--user-data-dir={folder}', 'about:blank',
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = Path(folder, DEBUGGER)
            end = time.monotonic() + WAIT
            while not (port.exists() and port.read_text().strip()):
                assert browser.poll() is None and time.monotonic() < end, 'it did not start'
                time.sleep(0.05)
            number = int(port.read_text().split()[0])
            tabs: list[Tab] = []

            def open_tab(url: str, width: int = 1280, height: int = 860, dark: bool = False) -> Tab:
                tabs.append(Tab(number, url, width, height, dark))
                return tabs[-1]

            yield open_tab
            for tab in tabs:
                tab.close()
        finally:
            browser.terminate()
            browser.wait(WAIT)
