"""Services: what they change, and what they refuse."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from sensor_msgs.msg import RegionOfInterest
from std_srvs.srv import SetBool, Trigger

from drift_ros.msg import Point2D, Prompt
from drift_ros.ros.messages import header
from drift_ros.ros.stamps import nanoseconds
from drift_ros.srv import RemoveTargets, ResetTargets


def box(n: int, k: int = 0) -> list[RegionOfInterest]:
    """Box around object n (from 0) of the scene's frame k."""
    return [
        RegionOfInterest(x_offset=8 + k + 20 * n, y_offset=8 + 16 * (n % 2), width=16, height=16)
    ]


def ids(message: Any) -> list[int]:
    return [obj.id for obj in message.objects]


def show(rig: Any, tools: Any, *frames: int, **options: Any) -> None:
    """Publish frames and wait until the tracker has taken them in."""
    for k in frames:
        rig.show(k, **options)
    tools.until(lambda: rig.counters().received >= frames[-1] + 1)


def test_prompts_of_every_kind_together(rig: Any, tools: Any) -> None:
    size = (64, 128)
    truth = tools.scene(0, size, 3)[1]
    show(rig, tools, 0, size=size, objects=3)
    prompts = [
        Prompt(name='points', points=[Point2D(x=16.0, y=16.0)], boxes=box(0)),
        Prompt(id=9, name='box', boxes=box(1)),
        Prompt(name='mask', mask=rig.image((truth == 3) * np.uint8(255), 0, '8UC1')),
    ]
    answer = rig.call(ResetTargets, 'reset_targets', prompts=prompts)
    assert answer.success, answer.message
    first, second, third = answer.ids
    assert second == 9
    assert len({first, second, third}) == 3
    assert rig.resets(answer.generation) == 1
    assert nanoseconds(answer.labels.header.stamp) == tools.stamp(0)
    labels = tools.array(answer.labels)
    for target_id, n in zip(answer.ids, (1, 2, 3), strict=True):
        overlap = ((labels == target_id) & (truth == n)).sum()
        assert overlap / ((labels == target_id) | (truth == n)).sum() > 0.7


def test_prompt_on_a_past_frame_catches_up(rig: Any, tools: Any) -> None:
    tracks, labels = rig.tracks(), rig.labels()
    show(rig, tools, *range(8))
    tools.until(lambda: len(tracks) == 8)
    answer = rig.reset(3)
    assert answer.success, answer.message
    assert nanoseconds(answer.labels.header.stamp) == tools.stamp(3)
    np.testing.assert_array_equal(tools.array(answer.labels), tools.scene(3)[1])
    tools.until(lambda: len(labels) == 8 + 5)
    again = [nanoseconds(m.header.stamp) for m in tracks[8:]]
    assert again == [tools.stamp(k) for k in range(3, 8)]
    found, truth = tools.array(labels[-1]) == 1, tools.scene(7)[1] == 1
    # cells of 8 px are coarse for a square of 16 px
    assert (truth & found).sum() / (truth | found).sum() > 0.5


def test_a_prompt_waits_for_the_frames_before_it(rig: Any, tools: Any) -> None:
    """The newest frame is the newest that was received, not the newest that was processed."""
    rig.labels()
    show(rig, tools, *range(20))
    answer = rig.reset()
    assert nanoseconds(answer.labels.header.stamp) == tools.stamp(19)


def test_add_and_remove_mid_stream(rig: Any, tools: Any) -> None:
    size = (64, 128)
    tracks = rig.tracks()
    show(rig, tools, 0, size=size, objects=2)
    assert rig.reset(0, id=4, boxes=box(0)).success
    show(rig, tools, 1, 2, size=size, objects=2)
    added = rig.reset(2, keep=True, boxes=box(1, 2))
    assert added.success, added.message
    assert rig.resets(added.generation) == 1
    second = added.ids[0]
    assert set(np.unique(tools.array(added.labels))) == {0, 4, second}
    show(rig, tools, 3, size=size, objects=2)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(3))
    assert ids(tracks[-1]) == sorted([4, second])
    assert rig.call(RemoveTargets, 'remove_targets', ids=[4]).success
    show(rig, tools, 4, size=size, objects=2)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(4))
    assert ids(tracks[-1]) == [second]
    assert tracks[-1].objects[0].visible
    assert rig.resets(tracks[-1].generation) == 1


def test_prompts_for_another_camera_are_refused(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    rig.show(0)
    tools.until(lambda: len(tracks) == 1)
    answer = rig.reset(0, frame_id='right_optical')
    assert not answer.success
    assert "'right_optical'" in answer.message


def test_clear_leaves_nothing(make_rig: Callable[..., Any], tools: Any, tmp_path: Path) -> None:
    """Not even what a prompts_file had set at the start."""
    file = tmp_path / 'prompts.yaml'
    file.write_text('prompts:\n  - {box: [8, 8, 16, 16]}\n')
    rig = make_rig(prompts_file=str(file)).start()
    tracks = rig.tracks()
    show(rig, tools, 0)
    tools.until(lambda: len(tracks) == 1)
    assert ids(tracks[0]) == [1]
    answer = rig.call(Trigger, 'clear')
    assert (answer.success, answer.message) == (True, 'removed 1')
    show(rig, tools, 1)
    tools.until(lambda: len(tracks) == 2)
    assert ids(tracks[1]) == []
    assert rig.call(Trigger, 'clear').message == 'there were no targets'


def test_pause_keeps_the_targets(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    show(rig, tools, 0)
    assert rig.reset(0).success
    tools.until(lambda: len(tracks) == 2)
    assert rig.call(SetBool, 'pause', data=True).success
    show(rig, tools, 1, 2)
    assert rig.call(SetBool, 'pause', data=False).success
    show(rig, tools, 3)
    tools.until(lambda: len(tracks) == 3)
    assert nanoseconds(tracks[-1].header.stamp) == tools.stamp(3)
    assert ids(tracks[-1]) == [1]
    assert rig.counters().paused == 2
    assert rig.stream.tracker.stats.lost == 2


def outside(rig: Any) -> dict[str, Any]:
    return {'points': [Point2D(x=1000.0, y=5.0)]}


def bad_mask(rig: Any) -> dict[str, Any]:
    return {'mask': rig.image(np.ones((5, 5), np.uint8), 0, 'mono8')}


def empty_mask(rig: Any) -> dict[str, Any]:
    return {'mask': rig.image(np.zeros((48, 64), np.uint8), 0, 'mono8')}


@pytest.mark.parametrize(
    ('prompt', 'said'),
    [
        (outside, '1000'),
        (lambda rig: {'points': [Point2D(x=float('nan'), y=1.0)]}, 'nan'),
        (lambda rig: {'points': [Point2D(), Point2D()], 'point_labels': [1]}, 'point_labels'),
        (lambda rig: {'boxes': [RegionOfInterest(x_offset=500, width=5, height=5)]}, '500'),
        (lambda rig: {'id': 255, 'boxes': box(0)}, '255'),
        (lambda rig: {'name': 'nothing'}, 'nothing'),
        (bad_mask, '5x5'),
        (empty_mask, 'mask'),
    ],
)
def test_bad_prompts_are_refused_and_change_nothing(
    rig: Any, tools: Any, prompt: Callable[[Any], dict[str, Any]], said: str
) -> None:
    show(rig, tools, 0)
    assert rig.reset(0).success
    answer = rig.reset(0, **prompt(rig))
    assert not answer.success
    assert said in answer.message
    assert (list(answer.ids), answer.labels.height) == ([], 0)
    assert rig.stream.tracker.targets == {1: ''}
    assert rig.resets(rig.stream.tracker.generation) == 1


def test_what_a_reset_refuses(rig: Any, tools: Any) -> None:
    def reset(k: int, *prompts: Prompt, keep: bool = False) -> Any:
        named = header(tools.stamp(k), tools.FRAME_ID)
        return rig.call(
            ResetTargets,
            'reset_targets',
            image_header=named,
            prompts=list(prompts),
            keep_existing=keep,
        )

    early = reset(0, Prompt(boxes=box(0)))
    assert not early.success
    assert 'first image' in early.message
    show(rig, tools, 0)
    unknown = reset(7, Prompt(boxes=box(0)))
    assert not unknown.success
    assert 'no frame with stamp 1795249149.2333' in unknown.message
    none = reset(0)
    assert not none.success
    assert 'no prompts' in none.message
    twice = reset(0, Prompt(id=3, boxes=box(0)), Prompt(id=3, boxes=box(0)))
    assert not twice.success
    assert '3' in twice.message
    many = reset(0, *[Prompt(boxes=box(0))] * 255)
    assert not many.success
    assert '254' in many.message
    assert rig.stream.tracker.targets == {}


@pytest.mark.parametrize(('given', 'said'), [([], 'empty'), ([0], '0'), ([1, 77], '77')])
def test_bad_removals_are_refused(rig: Any, tools: Any, given: list[int], said: str) -> None:
    show(rig, tools, 0)
    assert rig.reset(0).success
    answer = rig.call(RemoveTargets, 'remove_targets', ids=given)
    assert not answer.success
    assert said in answer.message
    assert rig.stream.tracker.targets == {1: ''}


def test_a_busy_tracker_is_waited_for_only_so_long(
    make_rig: Callable[..., Any], tools: Any, gate: Any
) -> None:
    rig = make_rig(features__name=gate.name, service_timeout=0.2).start()
    show(rig, tools, 0)
    assert rig.reset(0).success
    gate.close()
    rig.show(1)
    tools.until(gate.waiting.is_set)
    answer = rig.call(Trigger, 'clear')
    assert not answer.success
    assert 'nothing was changed' in answer.message
    assert 'service_timeout' in answer.message
    gate.open()
    assert rig.set_parameter('service_timeout', 10.0).successful
    assert rig.call(RemoveTargets, 'remove_targets', ids=[1]).success


def test_the_executor_serves_others_while_a_service_waits(
    make_rig: Callable[..., Any], tools: Any, gate: Any
) -> None:
    rig = make_rig(features__name=gate.name).start()
    show(rig, tools, 0)
    assert rig.reset(0).success
    gate.close()
    rig.show(1)
    tools.until(gate.waiting.is_set)
    waiting = [rig.call_async(Trigger, 'clear') for _ in range(3)]
    before, cpu = time.monotonic(), time.process_time()
    assert rig.set_parameter('max_rate', 50.0).successful  # answered while the others wait
    show(rig, tools, 2, 3)
    tools.until(lambda: time.monotonic() - before > 0.5)
    assert time.process_time() - cpu < 0.4, 'the executor spins while services wait'
    assert not any(answer.done() for answer in waiting)
    gate.open()
    assert all(tools.until(answer.result).success for answer in waiting)


def test_what_may_change_while_tracking_does(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig().start()
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    rig.show(1)
    tools.until(lambda: len(tracks) == 3)
    assert tracks[-1].objects[0].visible
    assert rig.set_parameter('targets.min_area', 48 * 64).successful
    rig.show(2)
    tools.until(lambda: len(tracks) == 4)
    assert not tracks[-1].objects[0].visible
    assert not rig.set_parameter('targets.min_area', 0).successful
    refused = rig.set_parameter('propagation.memory', 3)
    assert not refused.successful
    assert 'clean up' in refused.reason
