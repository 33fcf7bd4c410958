"""Makes the pictures of the page in docs/images, in a browser without a window.

    .venv/bin/python tools/page_pictures.py [recorded] [live]

The demo's scene is marked and tracked on the page over a recording (page.jpg), and on the page over
a live node that is fed with it (page.webp, page.mp4). Needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'helpers'))
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', '88')  # no tracker of this machine is to be seen
os.environ.setdefault(
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    str(Path(__file__).resolve().parents[1] / 'config' / 'fastdds.xml'),
)

import numpy as np
from chromium import Tab, chromium
from numpy.typing import NDArray
from PIL import Image

from drift_ros import synthetic
from drift_ros.demo.process import NodeProcess, find_executable
from drift_ros.io.video import VideoWriter
from drift_ros.synthetic.export import IMAGE, write_bag
from drift_ros.synthetic.ground_truth import SyntheticFrame, Video

IMAGES = Path(__file__).resolve().parents[1] / 'docs' / 'images'
DRIFT = [sys.executable, '-m', 'drift_ros.cli.main']
SCENE, NAMES = 'passing', ('near ball', 'far ball')
SHOWN, MARGIN = 10, 8  # frame of page.jpg; px around an object, as a person draws
RATE = 0.1  # of the bag's time; leaves a small machine the time for every frame
WIDTH, SPEED, QUALITY = 810, 4.0, 45  # px of the video, its speed, and that of its compression
FPS = 20.0  # of the mp4
DRAG_STEPS, LOAD_TIMEOUT = 6, 300.0
PICTURE = '(i => i && i.naturalWidth > 0 && i.complete)(document.querySelector(".picture img"))'
PREVIEW = '!!document.querySelector(".picture svg path")'
ADD = '.tools > button:last-child'
POINTER = """(() => {
  const arrow = document.createElement('div');
  arrow.innerHTML = '<svg width="22" height="26"><path d="M2 2v19l5-4 4 8 3-1-4-8h7z" ' +
    'fill="#fff" stroke="#000" stroke-width="1.5"/></svg>';
  arrow.style.cssText = 'position:fixed;z-index:9999;pointer-events:none;left:-50px';
  document.body.append(arrow);
  addEventListener('pointermove', e => {
    arrow.style.left = e.clientX + 'px'; arrow.style.top = e.clientY + 'px';
  }, true);
})()"""


class Film:
    """Screenshots of a tab with their times, only where something has changed."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.shots: list[tuple[float, bytes]] = []

    def shoot(self) -> None:
        """Take a picture."""
        shot = self.tab.screenshot()
        if not self.shots or self.shots[-1][1] != shot:
            self.shots.append((time.monotonic(), shot))

    def until(self, condition: str | Callable[[], object]) -> None:
        """Film until something is true."""

        def true() -> object:
            self.shoot()
            return self.tab.run(condition) if isinstance(condition, str) else condition()

        self.tab.until(true, LOAD_TIMEOUT)

    def save(self, path: Path) -> None:
        """Write an animated WebP, which GitHub shows in a page, and an mp4 beside it."""
        times = [at for at, _ in self.shots]
        spans = [round(1e3 * (b - a) / SPEED) for a, b in itertools.pairwise(times)] + [2500]
        frames = [shrink(shot) for _, shot in self.shots]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=spans, loop=0,
            quality=QUALITY, method=4,
        )  # fmt: skip
        write_mp4(path.with_suffix('.mp4'), frames, spans)


def main() -> None:
    """Make those that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('which', nargs='*', choices=('recorded', 'live'), default=[])
    which = parser.parse_args().which or ('recorded', 'live')
    scene = synthetic.create(SCENE, synthetic.defaults(SCENE))
    with tempfile.TemporaryDirectory() as folder, chromium() as open_tab:
        bag = Path(folder, 'input')
        write_bag(scene, bag)
        if 'recorded' in which:
            with page(str(bag)) as address:
                recorded(open_tab(address, height=820), scene)
        if 'live' in which:
            with node(Path(folder, 'node.log')), page() as address:
                live(open_tab(address, width=1080, height=700), scene, bag)


def recorded(tab: Tab, scene: Video) -> None:
    """Mark both balls on the first frame, track, and show a later one."""
    film = Film(tab)
    tab.until(PICTURE)
    for which in range(len(NAMES)):
        mark(film, scene.render(0), which)
    tab.button('Track')
    tab.until('document.querySelector(".status").innerText.includes("tracking")', LOAD_TIMEOUT)
    tab.until('!document.querySelector(".status").innerText.includes("tracking")', LOAD_TIMEOUT)
    x, y, width, height = tab.place('.slider')
    tab.drag([(x + width * SHOWN / (len(scene) - 1), y + height / 2)])
    tab.until(f'document.querySelector(".number").innerText.startsWith("{SHOWN} /")')
    tab.mouse('mouseMoved', (1270, 810))
    time.sleep(3)  # the picture, and animations of what was pressed
    Image.open(io.BytesIO(tab.screenshot())).convert('RGB').save(IMAGES / 'page.jpg', quality=88)


def live(tab: Tab, scene: Video, bag: Path) -> None:
    """Mark both balls while they move, and follow them to the end of the bag."""
    tab.until('document.querySelector(".status").innerText.includes(" on ")', LOAD_TIMEOUT)
    tab.run(POINTER)
    film = Film(tab)
    frames = list(scene)
    small = [thumbnail(Image.fromarray(frame.image)) for frame in frames]
    command = [*DRIFT, 'play', str(bag), '--topics', IMAGE, '--rate', f'{RATE}']
    with subprocess.Popen([*command, '--wait-for-subscribers', '60']) as player:
        tab.until(PICTURE)
        film.until('document.querySelector(".status").innerText.includes("images/s")')
        for which in range(len(NAMES)):
            mark(film, frames[shown(tab, small)], which)
        film.until(lambda: player.poll() is not None)
    film.shoot()
    film.save(IMAGES / 'page.webp')


def mark(film: Film, frame: SyntheticFrame, which: int) -> None:
    """Drag a box around an object of the frame that is shown, name it, and add it."""
    tab, roi = film.tab, frame.objects[which].roi
    left, top, width, _ = tab.place('.picture img')
    unit = width / frame.image.shape[1]

    def place(part: float) -> tuple[float, float]:
        x = roi.x - MARGIN + part * (roi.width + 2 * MARGIN)
        y = roi.y - MARGIN + part * (roi.height + 2 * MARGIN)
        return left + unit * x, top + unit * y

    for kind in ('mouseMoved', 'mousePressed'):
        tab.mouse(kind, place(0))
    for step in range(DRAG_STEPS):
        tab.mouse('mouseMoved', place((step + 1) / DRAG_STEPS))
        film.shoot()
    tab.mouse('mouseReleased', place(1))
    film.until(PREVIEW)
    tab.press('.name input')
    tab.type(NAMES[which])
    film.shoot()
    x, y, wide, high = tab.place(ADD)
    tab.mouse('mouseMoved', (x + wide / 2, y + high / 2))
    film.until(f'!document.querySelector("{ADD}").disabled')
    tab.press(ADD)
    film.until(f'document.querySelectorAll(".target").length == {which + 1}')


def shown(tab: Tab, small: list[NDArray[np.float32]]) -> int:
    """Index of the frame that the page shows."""
    left, top, width, height = tab.place('.picture img')
    seen = Image.open(io.BytesIO(tab.screenshot())).crop((left, top, left + width, top + height))
    return int(np.argmin([np.abs(thumbnail(seen) - one).mean() for one in small]))


def thumbnail(picture: Image.Image) -> NDArray[np.float32]:
    """(48, 64) grey values."""
    return np.asarray(picture.convert('L').resize((64, 48)), np.float32)


@contextmanager
def page(*arguments: str) -> Iterator[str]:
    """`drift page`; gives its address."""
    command = [*DRIFT, 'page', '--port', '0', *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix('open ').strip()
        finally:
            process.terminate()


@contextmanager
def node(log: Path) -> Iterator[None]:
    """A tracker of the demo's camera."""
    command = [str(find_executable()), '--ros-args', '-r', f'image:={IMAGE}']
    with NodeProcess([*command, '-p', 'autostart:=true'], log):
        yield


def write_mp4(path: Path, frames: Sequence[Image.Image], spans: Sequence[int]) -> None:
    """Write frames that last so many ms."""
    with VideoWriter(path, FPS, frames[0].size[::-1]) as video:
        end = 0.0
        written = 0
        for frame, span in zip(frames, spans, strict=True):
            end += FPS * span / 1e3
            picture = np.asarray(frame.convert('RGB'))
            while written < round(end):
                video.write(picture)
                written += 1


def shrink(shot: bytes) -> Image.Image:
    """A screenshot in the size of the video."""
    picture = Image.open(io.BytesIO(shot)).convert('RGB')
    height = round(picture.height * WIDTH / picture.width)
    return picture.resize((WIDTH, height), Image.Resampling.LANCZOS)


if __name__ == '__main__':
    main()
