"""A page in a real browser, and what a script in it finds."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
PHONE, DESK = 390, 1200  # px


def find() -> str:
    """Path of a browser; skips where there is none."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f'no browser is installed: {", ".join(NAMES)}')
    return browser


def probe(page: Path, script: str, width: int = DESK) -> Any:
    """Value of a JavaScript expression in a page that is `width` px wide; skips without a browser.

    The page is in a frame, because windows cannot be as narrow as a phone.
    """
    browser = find()
    probed = page.with_name(f'probed_{page.name}')
    call = f'parent.postMessage(JSON.stringify({script}), "*")'
    probed.write_text(page.read_text() + f'<script>addEventListener("load", () => {call})</script>')
    frame = page.with_name('frame.html')
    frame.write_text(
        '<pre id="found"></pre><script>addEventListener("message", e => '
        '{document.getElementById("found").textContent = e.data})</script>'
        f'<iframe src="{probed.name}" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    run = subprocess.run(
        [
            browser, '--headless', '--no-sandbox', '--disable-gpu', '--dump-dom',
            '--disable-background-networking', '--virtual-time-budget=5000',
            f'--user-data-dir={page.parent / "browser"}', f'--window-size={width + 40},1000',
            frame.resolve().as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found is not None and found[1], run.stderr
    return json.loads(html.unescape(found[1]))
