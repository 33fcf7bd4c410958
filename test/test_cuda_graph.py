"""Functions replayed as CUDA graphs give what they give without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from drift_ros import cuda_graph
from drift_ros.cuda_graph import KEPT, VARIABLE, Graphed
from drift_ros.descriptors import Descriptors
from drift_ros.features.embedded.layers import Cache
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.propagation import Propagator, compiled, create_affinity
from drift_ros.propagation.affinity import FeatureAffinity
from drift_ros.settings import PropagationSettings

on_a_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
DEVICES = ['cpu', pytest.param('cuda', marks=on_a_gpu)]


class Tape(TorchDispatchMode):
    """Records operations, and does the same ones again with the tensors that they were recorded
    with, as a graph does: what Python decided or kept in the meantime does not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        self._steps.append((function, args, kwargs or {}, found))
        return found

    def replay(self, outputs: Any) -> Any:
        """What the recorded operations put in the place of these outputs now."""
        new: dict[int, Any] = {}
        now = partial(tree_map_only, Tensor, lambda old: new.get(id(old), old))
        for function, args, kwargs, found in self._steps:
            again = function(*now(args), **now(kwargs))
            new.update(zip(map(id, tree_leaves(found)), tree_leaves(again), strict=True))
        return now(outputs)


class Imitation(cuda_graph._Graph):
    """A graph for machines without a GPU. It gives the very tensors that it gave at the capture."""

    def _capture(self, call: Callable[[], Any], inputs: Sequence[Tensor], room: Any) -> None:
        self._outside, self._tape = cuda_graph._Outside(inputs), Tape()
        call()
        with self._tape, self._outside:
            self._outputs = call()

    def replay(self, inputs: Sequence[Any]) -> Any:
        for number, copy in self._copies.items():
            copy.copy_(inputs[number])
        found = self._tape.replay(self._outputs)
        for place, value in zip(tree_leaves(self._outputs), tree_leaves(found), strict=True):
            place.copy_(value)
        return tree_map_only(Tensor, torch.clone, self._outputs)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """On the CPU graphs are imitated."""
    if request.param == 'cpu':
        monkeypatch.setattr(cuda_graph, '_suit', lambda inputs: True)
        monkeypatch.setattr(cuda_graph, '_Graph', Imitation)
        monkeypatch.setattr(cuda_graph, '_Room', lambda: None)
        monkeypatch.setattr(torch.cuda, 'device', lambda device: nullcontext())
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def _no_grad() -> Any:
    with torch.no_grad():
        yield


class Counted:
    """Notes how often a function runs by itself."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.runs = function, 0

    def __call__(self, *inputs: Any) -> Any:
        self.runs += 1
        return self.function(*inputs)


def test_results_are_those_of_the_function_and_stay(device: torch.device) -> None:
    counted = Counted(lambda x, y, power: ((x @ y) ** power, [x.sum()]))
    graphed = Graphed(counted)
    pairs = [torch.randn(2, 8, 8, device=device).unbind() for _ in range(6)]
    found = [graphed(x, y, 2) for x, y in pairs]
    for (x, y), (product, (total,)) in zip(pairs, found, strict=True):
        torch.testing.assert_close(product, (x @ y) ** 2)
        torch.testing.assert_close(total, x.sum())
    if device.type == 'cuda':
        assert counted.runs == 3  # by itself, to warm up the stream, and for the capture


def test_a_graph_serves_one_form(device: torch.device) -> None:
    """Of shapes, layouts, dtypes and constants; the oldest graphs give way."""
    graphed = Graphed(lambda x, factor: x * factor)
    inputs = [torch.randn(n, 4, device=device) for n in range(1, KEPT + 4)]
    inputs += [torch.randn(4, 4, device=device).T, torch.ones(3, 4, device=device).half()]
    for _ in range(2):
        for x in inputs:
            for factor in (2, 3):
                for _ in range(3):
                    assert torch.equal(graphed(x, factor), x * factor)
    assert len(graphed._graphs) == KEPT


def test_what_comes_once_is_not_captured(device: torch.device) -> None:
    graphed = Graphed(lambda x: x + 1)
    for n in range(1, 9):
        assert len(graphed(torch.zeros(n, device=device))) == n
    assert not graphed._graphs


def test_state_is_kept_in_place(device: torch.device) -> None:
    kept, place = (
        torch.zeros(3, 2, device=device),
        torch.zeros((), dtype=torch.int64, device=device),
    )

    def remember(x: Tensor) -> Tensor:
        kept.index_copy_(0, (place % 3)[None], x[None])
        return kept.sum(0)

    graphed = Graphed(remember)
    seen = torch.randn(8, 2, device=device)
    for number, x in enumerate(seen):
        place.fill_(number)
        torch.testing.assert_close(graphed(x), seen[max(0, number - 2) : number + 1].sum(0))


@pytest.mark.parametrize('size', [(32, 48), (72, 104)])
def test_a_stream_of_the_embedded_model_goes_on(
    device: torch.device, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame has its own number, by which keys are rotated and remembered."""
    monkeypatch.setattr(Tensor, 'is_cuda', True)  # numbers of frames come from memory
    torch.manual_seed(5)
    model = EmbeddedUNet((32, 64), context=64, depth=1, readout=(16, 8)).eval()
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    model.to(device)
    frames = torch.randn(1, 12, 3, *size).to(device)
    level = torch.ones(1, 1, device=device)
    cache = Cache()
    graphed = Graphed(partial(model.describe_next, cache=cache))
    found = []
    for frame in frames.split(1, 1):
        cache.begin(device)
        found.append(graphed(frame, level))
        cache.end()
    assert graphed._graphs
    expected = model.describe(frames, level.expand(1, 12), cache=Cache())
    torch.testing.assert_close(torch.stack(found, 1), expected, atol=1e-4, rtol=1e-4)


def test_inputs_at_place_are_read_where_they_lie(device: torch.device) -> None:
    graphed = Graphed(lambda x, table: x @ table, at_place=(1,))
    tables = torch.randn(2, 4, 4, device=device)
    x = torch.randn(4, 4, device=device)
    for turn in range(6):
        table = tables[turn // 3]
        torch.testing.assert_close(graphed(x, table), x @ table)
        table.add_(1)
        torch.testing.assert_close(graphed(x, table), x @ table)
    assert len(graphed._graphs) == 2


def test_constants_live_as_long_as_the_graph(device: torch.device) -> None:
    """Also where whoever made them has dropped them."""
    cache = [torch.randn(64, 64, device=device)]
    expected = cache[0].clone()
    graphed = Graphed(lambda x: x @ cache[0])
    x = torch.eye(64, device=device)
    for _ in range(2):
        graphed(x)
    cache[0] = torch.zeros(1, 1)
    others = [torch.full((64, 64), 7.0, device=device) for _ in range(20)]
    if device.type == 'cuda':
        torch.testing.assert_close(graphed(x), expected)
    (graph,) = graphed._graphs.values()
    assert any(torch.equal(kept, expected) for kept in graph._outside.kept)
    assert len(graph._outside.kept) == 1
    assert others


@pytest.mark.parametrize('device', ['cpu'], indirect=True)
def test_a_failure_is_logged_and_all_goes_on(
    device: torch.device, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, *_: Any) -> None:
        raise RuntimeError('operation not permitted when stream is capturing')

    monkeypatch.setattr(Imitation, '_capture', fail)
    graphed = Graphed(lambda x: x + 1)
    x = torch.zeros(2, device=device)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert torch.equal(graphed(x), x + 1)
    assert len(caplog.records) == 1
    assert 'not permitted' in caplog.text


@pytest.mark.gpu
@on_a_gpu[1]
def test_what_waits_for_the_device_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    graphed = Graphed(lambda x: x * float(x.sum()))
    x = torch.ones(2, device='cuda')
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            assert torch.equal(graphed(x), x * 2)
    assert len(caplog.records) == 1
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.equal(Graphed(lambda y: y + 1)(x), x + 1)
    assert torch.rand(2, device='cuda').isfinite().all()


@pytest.mark.gpu
@on_a_gpu[1]
def test_streams_take_turns() -> None:
    graphed = Graphed(lambda x: torch.linalg.matrix_power(x, 8))
    streams = [torch.cuda.Stream(), torch.cuda.current_stream()]
    inputs = [(torch.rand(256, 256) / 128).cuda() for _ in range(20)]
    torch.cuda.synchronize()
    found = []
    for number, x in enumerate(inputs):
        with torch.cuda.stream(streams[number % 2]):
            found.append(graphed(x))
    torch.cuda.synchronize()
    for x, y in zip(inputs, found, strict=True):
        torch.testing.assert_close(y, torch.linalg.matrix_power(x, 8))


@pytest.mark.parametrize('setting', ['gradients', 'unwanted', 'on the CPU'])
def test_without_a_graph_it_is_the_function(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if setting == 'unwanted':
        monkeypatch.setenv(VARIABLE, '0')
        monkeypatch.setattr(cuda_graph, '_suit', lambda inputs: True)
    graphed = Graphed(lambda x: x + 1)
    device = 'cuda' if torch.cuda.is_available() and setting != 'on the CPU' else 'cpu'
    with torch.set_grad_enabled(setting == 'gradients'):
        for _ in range(3):
            graphed(torch.zeros(2, device=device))
    assert not graphed._graphs


def test_propagation_goes_on_as_without_graphs(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames are remembered and forgotten where the graph reads them."""
    monkeypatch.setattr(compiled, 'suits', lambda *_: False)

    def run(wanted: bool) -> tuple[list[Tensor], FeatureAffinity]:
        monkeypatch.setenv(VARIABLE, str(int(wanted)))
        affinity = create_affinity(PropagationSettings(), 0)
        assert isinstance(affinity, FeatureAffinity)
        propagator = Propagator(affinity, 3, 1, 1)
        numbers = torch.Generator().manual_seed(0)
        found = []
        for frame in range(10):
            features = torch.randn((1, 16, 12, 14), generator=numbers).to(device)
            described = affinity.prepare(Descriptors.of(features, 8))
            if frame:
                labels = propagator.propagate(described)
                found.append(labels)
                propagator.memory.add_recent(frame, described, labels)
            else:
                inside = torch.zeros((12, 14), dtype=torch.long, device=device)
                inside[3:7, 3:8] = 1
                labels = torch.nn.functional.one_hot(inside, 2).permute(2, 0, 1).float()
                propagator.add_reference(frame, described, labels)
        return found, affinity

    without, _ = run(wanted=False)
    graphed, affinity = run(wanted=True)
    assert affinity._search._graphs
    for ours, theirs in zip(graphed, without, strict=True):
        torch.testing.assert_close(ours, theirs)
