"""Images that cannot be used, and streams that break off, over DDS: named, counted, survived."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from sensor_msgs.msg import CompressedImage, Image

from drift_ros.ros.inputs import RateLimit
from drift_ros.ros.messages import header
from drift_ros.ros.stamps import nanoseconds


def unknown_encoding(message: Image) -> str:
    message.encoding = 'xyz16'
    return 'xyz16'


def short_data(message: Image) -> str:
    del message.data[-10:]
    return str(len(message.data))


def no_data(message: Image) -> str:
    del message.data[:]
    return 'data'


def zero_size(message: Image) -> str:
    message.height = 0
    return '64x0 px'


def short_step(message: Image) -> str:
    message.step = 5
    return 'step'


@pytest.mark.parametrize('spoil', [unknown_encoding, short_data, no_data, zero_size, short_step])
def test_bad_images_are_skipped_and_the_next_one_is_tracked(
    rig: Any, tools: Any, capfd: Any, spoil: Callable[[Image], str]
) -> None:
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    for k in (1, 2):
        bad = rig.image(tools.scene(k)[0], tools.stamp(k))
        said = spoil(bad)
        rig.publish('image', bad)
    rig.show(3)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(3))
    assert sum(rig.counters().skipped.values()) == 2
    assert rig.counters().errors == 0
    assert len(tracks[-1].objects) == 1
    log = capfd.readouterr().err
    assert said in log
    assert f'(topic /{rig.name}_ns/image)' in log
    assert log.count('skipped:') == 1  # the second one is only counted


def test_the_largest_image_may_change(rig: Any, tools: Any) -> None:
    rig.show(0)
    rig.arrived()
    assert rig.set_parameter('stream.max_pixels', 100).successful
    rig.show(1)
    tools.until(lambda: rig.counters().skipped.get('too many pixels') == 1)


def test_broken_compressed_image(make_rig: Callable[..., Any], tools: Any, capfd: Any) -> None:
    rig = make_rig(image_transport='compressed').start()
    message = CompressedImage(format='jpeg', header=header(tools.stamp(0), tools.FRAME_ID))
    message.data.frombytes(b'this is not a picture')
    rig.publish('image/compressed', message)
    log = ''

    def told() -> bool:
        nonlocal log
        log += capfd.readouterr().err
        return 'undecodable' in log

    tools.until(lambda: sum(rig.counters().skipped.values()) == 1)
    tools.until(told)
    assert f'(topic /{rig.name}_ns/image/compressed)' in log


def stamps(tracks: list[Any]) -> list[int]:
    return [nanoseconds(message.header.stamp) for message in tracks]


def test_same_and_late_stamps_are_skipped(rig: Any, tools: Any, capfd: Any) -> None:
    tracks = rig.tracks()
    for k in (0, 1, 1, 0, 2):
        rig.show(k)
    tools.until(lambda: len(tracks) == 3)
    assert stamps(tracks) == [tools.stamp(k) for k in (0, 1, 2)]
    assert rig.stream.tracker.stats.late == 2
    assert rig.stream.counters.skipped == {'stamp not newer': 2}
    logged = capfd.readouterr().err
    assert 'header.stamp' in logged
    assert rig.node.resolve_topic_name('image') in logged
    assert rig.resets(tracks[-1].generation) == 0


def test_a_bag_that_loops_restarts_the_stream(rig: Any, tools: Any, capfd: Any) -> None:
    tracks = rig.tracks()
    for k in range(10):
        rig.show(k)
    tools.until(lambda: len(tracks) == 10)
    assert rig.reset(9).success
    tools.until(lambda: len(tracks) == 11)
    for k in range(3):
        rig.show(k)
    tools.until(lambda: len(tracks) == 14)
    assert stamps(tracks[11:]) == [tools.stamp(k) for k in range(3)]
    assert [len(m.objects) for m in tracks[10:]] == [1, 0, 0, 0]
    assert rig.resets(tracks[-1].generation) == 2
    assert capfd.readouterr().err.count('time went back') == 1
    assert rig.reset(1).success  # and it tracks again


def test_prompts_file_holds_for_every_loop(
    make_rig: Callable[..., Any], tools: Any, tmp_path: Any
) -> None:
    file = tmp_path / 'prompts.yaml'
    file.write_text('prompts:\n  - {box: [8, 8, 16, 16]}\n')
    rig = make_rig(prompts_file=str(file)).start()
    tracks = rig.tracks()
    for _ in range(2):
        for k in range(6):
            rig.show(k)
    tools.until(lambda: len(tracks) == 12)
    assert [len(m.objects) for m in tracks] == [1] * 12


def test_the_image_that_a_prompts_file_is_for_is_not_dropped(
    make_rig: Callable[..., Any], tools: Any, tmp_path: Any
) -> None:
    """Players begin with a burst, at every loop."""
    file = tmp_path / 'prompts.yaml'
    file.write_text('prompts:\n  - {box: [8, 8, 16, 16]}\n')
    rig = make_rig(prompts_file=str(file), queue=1).start()
    tracks = rig.tracks()
    for count in (2, 4):
        busy = threading.Event()
        rig.stream.submit(lambda _, busy=busy: busy.wait(tools.WAIT))
        for k in range(12):
            rig.show(k)
        tools.until(lambda count=count: rig.counters().received == 6 * count)
        busy.set()
        tools.until(lambda count=count: len(tracks) == count)
    assert stamps(tracks) == [tools.stamp(k) for k in (0, 11, 0, 11)]
    assert [len(m.objects) for m in tracks] == [1] * 4


def test_another_size_restarts_the_stream(rig: Any, tools: Any, capfd: Any) -> None:
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    rig.show(1, size=(64, 80))
    tools.until(lambda: stamps(tracks)[-1:] == [tools.stamp(1)])
    assert list(tracks[-1].objects) == []
    assert 'image size changed from 64x48 to 80x64' in capfd.readouterr().err
    rig.show(2, size=(64, 80))
    tools.until(lambda: stamps(tracks)[-1] == tools.stamp(2))


def test_another_encoding_keeps_the_targets(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    bgr = np.ascontiguousarray(tools.scene(1)[0][..., ::-1])
    rig.publish('image', rig.image(bgr, tools.stamp(1), 'bgr8'))
    tools.until(lambda: stamps(tracks)[-1:] == [tools.stamp(1)])
    assert [obj.visible for obj in tracks[-1].objects] == [True]


def test_rate_limit_goes_by_stamps() -> None:
    limit = RateLimit()
    start = 1_795_249_149_000_000_017
    camera = [start + round(k * 1e9 / 30) for k in range(300)]
    assert sum(limit.passes(stamp, 0.0) for stamp in camera) == 300
    assert sum(RateLimit().passes(stamp, 30.0) for stamp in camera[:1]) == 1
    limit = RateLimit()
    assert sum(limit.passes(stamp, 10.0) for stamp in camera) == 100
    assert limit.passes(camera[0], 10.0)  # time went back
    jitter = np.random.default_rng(0).integers(-4_000_000, 4_000_000, 300)
    limit = RateLimit()
    passed = sum(limit.passes(s + int(j), 15.0) for s, j in zip(camera, jitter, strict=True))
    assert 145 <= passed <= 152


def test_max_rate_thins_without_calling_it_loss(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig(max_rate=10).start()
    tracks = rig.tracks()
    for k in range(10):
        rig.show(k)
    tools.until(lambda: len(tracks) == 4)
    assert rig.stream.tracker.stats.lost == 0
    assert rig.set_parameter('max_rate', 0.0).successful
    for k in range(10, 13):
        rig.show(k)
    tools.until(lambda: len(tracks) == 7)
