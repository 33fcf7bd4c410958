"""What all tests share: isolation of ROS between processes and the optional real clips."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def _isolate_ros() -> None:
    """Give this process a domain of its own on this machine, before anything imports rclpy."""
    worker = os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')
    # 0 to 101 are the domains whose ports lie below the ephemeral ones on every platform; 0 is
    # left to whatever else runs on the machine.
    os.environ['ROS_DOMAIN_ID'] = str(1 + (os.getppid() + 37 * int(worker) + os.getpid()) % 101)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if os.environ.get('ROS_DISTRO') == 'humble':  # older than the discovery range
        os.environ['ROS_LOCALHOST_ONLY'] = '1'


_isolate_ros()
# Small tensors, and often several processes: more threads per process only wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')


# Folders of tests with other processes, DDS and clocks.
TIMED = ('cli', 'demo', 'examples', 'faults', 'page', 'ros')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI, give tests with other processes and clocks a second try, as ROS 2's own CI does
    (`--retest-until-pass`): a machine that stands still for a second may be the cause.

    The summary names each one that needed it. Elsewhere only a wait that ended is tried again.
    """
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if os.environ.get('CI') and folder in TIMED:
            item.add_marker(pytest.mark.flaky(reruns=1))
        elif 'make_rig' in getattr(item, 'fixturenames', ()):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=['did not come true in']))


@pytest.fixture(scope='session')
def data() -> Path:
    """Folder of the real clips: `../shared/data`, or where DRIFT_DATA points; skips without it."""
    default = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('DRIFT_DATA', default))
    if not folder.is_dir():
        pytest.skip(f'real clips are not at {folder}; set DRIFT_DATA to their folder')
    return folder


@pytest.fixture(scope='session')
def davis(data: Path) -> Path:
    """Folder `davis` of the real clips, with `test` and `val` in the layout of DAVIS-2017."""
    folder = data / 'davis'
    if not folder.is_dir():
        pytest.skip(f'DAVIS clips are not at {folder}; set DRIFT_DATA to the folder above it')
    return folder


@pytest.fixture(autouse=True)
def _same_logging() -> Iterator[None]:
    """End with each test what it did to the package's logger, as the command line does."""
    logger = logging.getLogger('drift_ros')
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before
