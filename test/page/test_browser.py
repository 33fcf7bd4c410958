"""From a click in a real browser to a mask of the real node, and what people see of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('nicegui', reason='the page is optional: nicegui')

from browser import PHONE
from chromium import Tab, chromium

SIZE = (96, 128)
PICTURE = '(i => i && i.naturalWidth > 0 && i.complete)(document.querySelector(".picture img"))'
TAKEN = '!!document.querySelector(".tools").offsetParent'
PREVIEW = '!!document.querySelector(".picture svg path")'


@pytest.fixture(scope='module')
def open_tab() -> Iterator[Callable[..., Tab]]:
    with chromium() as open_tab:
        yield open_tab


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start `drift page` as a person would; gives its address."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        command = [sys.executable, '-m', 'drift_ros.cli.main', 'page', '--port', '0', *arguments]
        page = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        running.append(page)
        assert page.stdout is not None
        line = page.stdout.readline()
        assert line.startswith('open http://'), line
        return line.removeprefix('open ').strip()

    yield start
    for page in running:
        page.terminate()
        assert page.wait(120) == 0
        assert page.stdout is not None
        page.stdout.close()


def draw(tab: Tab, box: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> None:
    """Drag a box (x, y, width, height in px of the frame) on the picture; again while the page does
    not yet know that the picture has come, or has no result of it.
    """
    left, top, width, _ = tab.place('.picture img')
    unit = width / size[1]

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * unit, top + y * unit

    x, y, w, h = box

    def taken() -> bool:
        tab.drag([at(x, y), at(x + w / 2, y + h / 2), at(x + w, y + h)])
        end = time.monotonic() + 2.0
        while not (seen := bool(tab.run(TAKEN))) and time.monotonic() < end:
            time.sleep(0.05)
        return seen

    tab.until(taken)


def test_from_a_click_to_a_mask_of_the_node(
    make_rig: Any, tools: Any, open_tab: Callable[..., Tab], serve: Callable[..., str]
) -> None:
    rig = make_rig().start()
    tracks, stop = rig.tracks(), threading.Event()

    def film() -> None:
        picture, k = tools.scene(0, SIZE, 2)[0], 0
        while not stop.wait(0.1):
            rig.publish('image', rig.image(picture, tools.stamp(k := k + 1)))

    camera = threading.Thread(target=film)
    camera.start()
    try:
        address = serve()
        tab = open_tab(address)
        tab.until(PICTURE)
        draw(tab, (4, 4, 24, 24))
        tab.until(PREVIEW)
        tab.press('.name input')
        tab.type('<img src=x onerror=alert(1)>')
        assert not tracks[-1].objects
        tab.button('Add')
        tab.until(lambda: tracks[-1].objects)
        found = tracks[-1].objects[0]
        truth = tools.scene(0, SIZE, 2)[1] == 1
        mask = np.zeros(SIZE, bool)
        part = mask[found.roi.y_offset :, found.roi.x_offset :]
        part[: found.roi.height, : found.roi.width] = tools.array(found.mask) > 0
        assert (mask & truth).sum() / (mask | truth).sum() > 0.8
        assert found.name == '<img src=x onerror=alert(1)>'  # and is text on every page:
        phone = open_tab(address, width=PHONE, height=844, dark=True)
        phone.until(PICTURE)
        for one in (tab, phone):
            one.until('document.body.innerText.includes("1 <img src=x onerror=alert(1)>")')
            assert one.run('document.querySelectorAll("img[src=x]").length') == 0
        assert phone.run('document.documentElement.scrollWidth') <= PHONE
        draw(phone, (24, 20, 24, 24))
        phone.until(PREVIEW)
        phone.button('Add')
        tab.until('document.querySelectorAll(".target").length == 2')
        tab.press('[aria-label="remove target 1"]')
        phone.until('document.querySelectorAll(".target").length == 1')
        tab.button('Pause')
        tab.until(lambda: rig.stream.paused)
        tab.button('Resume')
        tab.until(lambda: not rig.stream.paused)
        assert not tab.errors and not phone.errors
    finally:
        stop.set()
        camera.join()


def test_a_recording_needs_no_robot(
    tmp_path: Path, tools: Any, open_tab: Callable[..., Tab], serve: Callable[..., str]
) -> None:
    frames = tmp_path / 'frames'
    frames.mkdir()
    for k in range(5):
        cv2.imwrite(str(frames / f'{k}.png'), tools.scene(k, SIZE, 2)[0][..., ::-1])
    out = str(tmp_path / 'out')
    settings = ('--features', 'patch', '--set', 'features.resolution=0', '--out', out)
    tab = open_tab(serve(str(frames), *settings))
    tab.until(PICTURE)
    draw(tab, (4, 4, 24, 24))
    tab.until(PREVIEW)
    tab.button('Add')
    tab.until('document.querySelectorAll(".target").length == 1')
    tab.button('Track')
    tab.until(lambda: (tmp_path / 'out/tracked/labels/4.png').exists())
    x, y, width, height = tab.place('.slider')
    tab.drag([(x + width - 2, y + height / 2)])
    tab.until('document.body.innerText.includes("visible, marked on 0")')
    tab.button('Prompts')
    assert 'box' in (tmp_path / 'out/prompts.yaml').read_text()
    assert not tab.errors


def test_bad_arguments_are_one_line(tmp_path: Path) -> None:
    for arguments, said in (
        ([str(tmp_path / 'none')], 'there is nothing at'),
        (['--host', '203.0.113.7', str(Path(__file__).parent)], 'neither pictures'),
    ):
        done = subprocess.run(
            [sys.executable, '-m', 'drift_ros.cli.main', 'page', *arguments],
            capture_output=True, text=True, env=os.environ, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 2 and said in done.stderr and 'Traceback' not in done.stderr
