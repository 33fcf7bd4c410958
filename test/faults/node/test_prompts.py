"""Prompts that ask for too much, and calls that come all at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from rclpy.qos import QoSProfile
from sensor_msgs.msg import RegionOfInterest
from std_srvs.srv import Trigger

from drift_ros.interruption import checkpoint
from drift_ros.msg import Point2D, Prompt
from drift_ros.ros.messages import header
from drift_ros.srv import ResetTargets

BOX = RegionOfInterest(x_offset=8, y_offset=8, width=16, height=16)
MakeRig = Callable[..., Any]


class Slow:
    """A segmenter that never ends by itself."""

    name = 'slow'

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    def segment(self, image: Any, prompts: Any) -> Any:
        self.began.set()
        try:
            while True:
                checkpoint()
                time.sleep(0.01)
        finally:
            self.ended.set()


@pytest.fixture
def slow(rig: Any, tools: Any) -> tuple[Any, Slow, Any]:
    """A node, its segmenter, and the answer of a prompt that is at work."""
    rig.show(0)
    rig.arrived()
    segmenter = Slow()
    quick, rig.stream.tracker.segmenter = rig.stream.tracker.segmenter, segmenter
    waiting = rig.call_async(ResetTargets, 'reset_targets', prompts=[Prompt(boxes=[BOX])])
    tools.until(segmenter.began.is_set)
    rig.stream.tracker.segmenter = quick
    return rig, segmenter, waiting


@pytest.mark.parametrize(
    ('prompt', 'said'),
    [
        ({'boxes': [BOX] * 3000}, '256 boxes'),
        ({'points': [Point2D(x=9.0, y=9.0)] * 50_000}, '4096 points'),
        ({'boxes': [BOX], 'name': 'n' * 100_000}, '1024'),
    ],
)
def test_a_prompt_that_no_person_gives_is_refused_at_once(
    rig: Any, prompt: dict[str, Any], said: str
) -> None:
    rig.show(0)
    quick, rig.stream.tracker.segmenter = rig.stream.tracker.segmenter, Slow()
    answer = rig.reset(0, **prompt)
    rig.stream.tracker.segmenter = quick
    assert not answer.success
    assert said in answer.message
    assert len(answer.message) < 1000
    assert rig.reset(0, boxes=[BOX]).success


@pytest.mark.parametrize('how', ['reset', 'clear'])
def test_a_long_prompt_gives_way_to_a_later_one(
    slow: tuple[Any, Slow, Any], tools: Any, how: str
) -> None:
    rig, segmenter, waiting = slow
    answer = rig.reset(0) if how == 'reset' else rig.call(Trigger, 'clear')
    assert answer.success, answer.message
    assert segmenter.ended.is_set()
    given_up = tools.until(waiting.result)
    assert not given_up.success
    assert 'later reset' in given_up.message
    assert rig.stream.tracker.targets == ({1: ''} if how == 'reset' else {})


@pytest.mark.parametrize('how', ['deactivate', 'cleanup', 'shutdown'])
def test_no_prompt_outlives_the_transition_that_ends_it(
    slow: tuple[Any, Slow, Any], tools: Any, how: str
) -> None:
    rig, segmenter, waiting = slow
    thread = rig.node.worker._thread
    assert rig.change('deactivate' if how == 'cleanup' else how)
    assert how != 'cleanup' or rig.change('cleanup')
    assert segmenter.ended.is_set()
    assert how == 'deactivate' or not thread.is_alive()
    assert not tools.until(waiting.result).success


def test_no_window_outlives_the_transition_that_ends_it(make_rig: MakeRig, tools: Any) -> None:
    """Not even where the deactivation gave up waiting for it."""
    rig = make_rig(service_timeout=0.2).start()
    rig.show(0)
    assert rig.reset(0).success
    begun, ended = threading.Event(), threading.Event()

    def endless(window: Any) -> Any:
        begun.set()
        try:
            while True:
                checkpoint()
                time.sleep(0.01)
        finally:
            ended.set()

    extractor = rig.stream.tracker.extractor
    extract, extractor.extract = extractor.extract, endless
    rig.show(1)
    tools.until(begun.is_set)
    assert rig.change('deactivate')
    assert ended.is_set()
    extractor.extract = extract
    tracks = rig.tracks()
    assert rig.change('activate')
    rig.show(2)
    tools.until(lambda: tracks)


def test_forty_calls_at_once_are_all_answered(rig: Any, tools: Any) -> None:
    rig.show(0)
    rig.arrived()
    kind = ResetTargets.Request
    clients = [
        rig.client.create_client(ResetTargets, f'{rig.name}/reset_targets') for _ in range(8)
    ]
    for client in clients:
        assert client.wait_for_service(tools.WAIT)

    def ask() -> list[Any]:  # in the executor's thread, so that none is taken in between
        request = kind(prompts=[Prompt(boxes=[BOX])], image_header=header(0, ''))
        return [clients[n % 8].call_async(request) for n in range(40)]

    waiting = tools.until(rig.executor.create_task(ask).result)
    answers = [tools.until(answer.result) for answer in waiting]
    assert all(answer.success for answer in answers)
    assert len({answer.generation for answer in answers}) == 40


def test_more_calls_than_anyone_means_are_told_so(make_rig: MakeRig, tools: Any, gate: Any) -> None:
    rig = make_rig(features__name=gate.name, service_timeout=20.0).start()
    rig.show(0)
    assert rig.reset(0).success
    gate.close()
    rig.show(1)
    tools.until(gate.waiting.is_set)
    # every client hears all answers of the service, so its queue has to hold as many
    depth = QoSProfile(depth=200)
    client = rig.client.create_client(Trigger, f'{rig.name}/clear', qos_profile=depth)
    assert client.wait_for_service(tools.WAIT)
    waiting = [client.call_async(Trigger.Request()) for _ in range(100)]
    tools.until(lambda: sum(answer.done() for answer in waiting) == 100 - 64)
    refused = [answer.result() for answer in waiting if answer.done()]
    assert all(not answer.success and 'calls wait' in answer.message for answer in refused)
    gate.open()
    assert sum(tools.until(answer.result).success for answer in waiting) == 64


def test_a_finalized_node_does_not_advise_what_it_refuses(rig: Any) -> None:
    assert rig.change('shutdown')
    answer = rig.call(Trigger, 'clear')
    assert not answer.success
    assert 'configure' not in answer.message
    assert 'anew' in answer.message
