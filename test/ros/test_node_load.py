"""The node when it is slower than the camera, when it is stopped at work, and for a long time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from std_srvs.srv import SetBool

from drift_ros.ros.stamps import nanoseconds


def hold_and_flood(rig: Any, tools: Any, gate: Any, frames: int) -> None:
    """Track, then hold the extractor in frame 1 while the camera goes on."""
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: rig.counters().published == 2)  # frame 0 untracked, and as prompted
    gate.close()
    rig.show(1)
    tools.until(gate.waiting.is_set)
    for k in range(2, frames):
        rig.show(k)
        tools.until(lambda n=k + 1: rig.counters().received == n)


@pytest.mark.parametrize('queue', [1, 3])
def test_a_slow_extractor_drops_old_frames_and_counts_them(
    make_rig: Callable[..., Any], tools: Any, gate: Any, queue: int
) -> None:
    rig = make_rig(features__name=gate.name, queue=queue).start()
    tracks = rig.tracks()
    hold_and_flood(rig, tools, gate, 40)
    gate.open()
    # the frame at work, and the newest ones: the backlog is bounded by the queue, not by the time
    tools.until(lambda: len(tracks) == 3 + queue)
    shown = [nanoseconds(m.header.stamp) for m in tracks]
    assert shown[2:] == [tools.stamp(k) for k in (1, *range(40 - queue, 40))]
    assert rig.counters().dropped == 38 - queue
    assert rig.stream.tracker.stats.lost == 38 - queue
    assert [o.id for o in tracks[-1].objects] == [1]


def test_pause_under_load(make_rig: Callable[..., Any], tools: Any, gate: Any) -> None:
    rig = make_rig(features__name=gate.name).start()
    tracks = rig.tracks()
    hold_and_flood(rig, tools, gate, 5)
    assert rig.call(SetBool, 'pause', data=True).success  # does not wait for the window
    for k in range(5, 20):
        rig.show(k)
    tools.until(lambda: rig.counters().paused == 15)
    gate.open()
    tools.until(lambda: len(tracks) == 2 + 4)
    assert nanoseconds(tracks[-1].header.stamp) == tools.stamp(4)
    assert rig.call(SetBool, 'pause', data=False).success
    rig.show(20)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(20))


@pytest.mark.parametrize('how', ['shutdown', 'cleanup'])
def test_leaving_under_load_does_not_wait_for_a_library(
    make_rig: Callable[..., Any], tools: Any, gate: Any, how: str
) -> None:
    rig = make_rig(features__name=gate.name, service_timeout=0.05).start()
    hold_and_flood(rig, tools, gate, 30)
    thread = rig.node.worker._thread
    if how == 'cleanup':
        assert rig.change('deactivate')
    assert rig.change(how)
    assert thread.is_alive()  # held until the gate opens
    assert thread.daemon
    gate.open()
    thread.join(tools.WAIT)
    assert not thread.is_alive()


def test_a_failing_window_is_survived(
    make_rig: Callable[..., Any], tools: Any, gate: Any, capfd: Any
) -> None:
    rig = make_rig(features__name=gate.name).start()
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: len(tracks) == 2)
    extractor = rig.stream.tracker.extractor
    extract = extractor.extract

    def fail(window: Any) -> Any:
        raise RuntimeError('the kernel failed')

    extractor.extract = fail
    for k in (1, 2, 3):
        rig.show(k)
    tools.until(lambda: rig.counters().errors == 3)
    extractor.extract = extract
    rig.show(4)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(4))
    assert [o.visible for o in tracks[-1].objects] == [True]
    log = capfd.readouterr().err
    assert log.count('RuntimeError: the kernel failed') == 1  # throttled
    assert rig.change('deactivate')
    assert rig.change('activate')


def resident() -> int:
    """Memory of this process in bytes."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='reads /proc/self/statm')
def test_memory_stays_flat_over_two_thousand_frames(rig: Any, tools: Any) -> None:
    tracks, labels = rig.tracks(), rig.labels()
    rig.show(0)
    assert rig.reset(0).success
    images = [rig.image(tools.scene(k)[0], 0) for k in range(48)]
    used = []
    for k in range(1, 2001):
        message = images[k % 48]
        message.header = rig.image(tools.scene(0)[0][:1], tools.stamp(k)).header
        rig.publish('image', message)
        if k % 20 == 0:  # no more at once than the queue holds
            tools.until(lambda n=k: rig.counters().published >= n)
            tracks.clear()
            labels.clear()
        if k >= 500 and k % 250 == 0:
            used.append(resident())
    assert rig.counters().dropped == 0
    assert rig.counters().errors == 0
    # 1500 frames of 9 KiB, their label maps and their messages would be 30 MiB and more
    assert max(used) - used[0] < 8 << 20, [f'{u / 2**20:.1f} MiB' for u in used]
