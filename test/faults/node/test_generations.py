"""Ids mean the same objects while `generation` stays the same, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from std_srvs.srv import Trigger

from drift_ros.prompts.prompt import Prompt


def test_no_generation_is_used_again_in_any_life(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig()
    named: dict[int, set[str]] = {}
    for life in range(3):
        assert rig.change('configure')
        assert rig.change('activate')
        rig.publishers.clear()
        rig.show(0)
        for turn in range(2):
            name = f'{life}.{turn}'
            mask = rig.image((tools.scene(0)[1] == 1).astype('uint8'), 0, 'mono8')
            answer = rig.reset(0, name=name, mask=mask)
            assert answer.success
            named.setdefault(answer.generation, set()).add(name)
        assert rig.change('deactivate')
        assert rig.change('activate')
        assert rig.stream.tracker.targets == {1: name}
        assert rig.stream.tracker.generation == answer.generation  # the same targets
        assert rig.call(Trigger, 'clear').success
        assert rig.change('deactivate')
        assert rig.change('cleanup')
    assert all(len(names) == 1 for names in named.values())
    assert len(named) == 6


def test_a_restarted_process_goes_on_with_other_generations(make_rig: Callable[..., Any]) -> None:
    first, second = make_rig().start(), make_rig().start()
    assert first.stream.generation != second.stream.generation


def test_a_prompt_that_is_still_at_work_at_the_end_takes_no_later_generation(
    make_rig: Callable[..., Any], tools: Any, monkeypatch: Any
) -> None:
    """The answer comes before the end, or not at all."""
    rig = make_rig().start()
    rig.show(0)
    rig.arrived()
    worker, tracker = rig.node.worker, rig.stream.tracker
    original, before = tracker.set_targets, tracker.generation

    def slow(*arguments: Any) -> Any:
        tools.until(lambda: worker.stopping)
        return original(*arguments)

    monkeypatch.setattr(tracker, 'set_targets', slow)
    prompts = [Prompt(mask=tools.scene(0)[1] == 1)]
    waiting = rig.stream.submit(lambda tracker: tracker.set_targets(prompts))
    assert rig.change('shutdown')
    with pytest.raises(Exception, match='shut down'):
        waiting.result(tools.WAIT)
    assert rig.camera._generation > before
