"""Functions of tensors that a GPU replays as one CUDA graph, in place of operations that the CPU
starts one by one.

Networks and searches of many small operations are bound by the CPU otherwise: each takes it some 10
microseconds to start, whatever the GPU needs for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from drift_ros.interruption import GivenUpError

log = logging.getLogger(__name__)

VARIABLE = 'DRIFT_CUDA_GRAPHS'  # of the environment; 0 lets everything run without graphs
KEPT = 4  # graphs of a function, one per form of its inputs
_capturing = threading.Lock()  # CUDA allows one capture at a time


class Graphed:
    """A function that is captured when tensors of the same form come for the second time in a row,
    and replayed from then on. Results are those of the function, of tensors of their own.

    On the CPU, under gradients and inside another capture it is the function itself, as it is from
    the first failure to capture on, which is logged.

    One thread at a time may call it. On whatever streams, a replay of a graph begins when the one
    before has ended; graphs for other forms share their memory, which goes with it, so inputs of
    several forms must come on one stream.

    Args:
        function: of tensors and constants that can be hashed, to tensors (in any nest of tuples and
            lists) on the same device. It must not wait for the device, must do the same whenever
            it is called, and may change other tensors, at the same place in memory each time, if to
            do so twice is to do it once.
        at_place: numbers of the inputs that are not copied: they are read where they lie, and a
            graph serves the place that it was captured with.
    """

    def __init__(self, function: Callable[..., Any], at_place: Sequence[int] = ()) -> None:
        self._function = function
        self._at_place = frozenset(at_place)
        self._graphs: OrderedDict[tuple[Any, ...], _Graph] = OrderedDict()
        self._last: tuple[Any, ...] = ()
        self._room: _Room | None = None
        self._wanted = os.environ.get(VARIABLE, '1') != '0'

    def __call__(self, *inputs: Any) -> Any:
        """What the function gives."""
        if not self._wanted or not _suit(inputs):
            return self._function(*inputs)
        form = tuple(self._form(number, given) for number, given in enumerate(inputs))
        graph = self._graphs.get(form)
        if graph is None:
            before, self._last = self._last, form
            if before != form:  # which also warms up what is made at the first use
                return self._function(*inputs)
            graph = self._captured(inputs)
            if graph is None:
                return self._function(*inputs)
            self._graphs[form] = graph
            if len(self._graphs) > KEPT:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(form)
        return graph.replay(inputs)

    def _form(self, number: int, given: Any) -> Any:
        if not isinstance(given, Tensor):
            return given
        place = given.data_ptr() if number in self._at_place else None
        return given.shape, given.stride(), given.dtype, given.device, place

    def _captured(self, inputs: Sequence[Any]) -> _Graph | None:
        try:
            with _capturing, torch.cuda.device(_tensors(inputs)[0].device):
                self._room = self._room or _Room()
                return _Graph(self._function, inputs, self._at_place, self._room)
        except GivenUpError:
            raise
        except Exception as error:
            log.warning('no CUDA graph could be captured, it runs without: %s', error)
            self._wanted = False
            self._graphs.clear()
            return None


class _Room:
    """What the graphs of a function share: memory, and the stream that they are captured in."""

    def __init__(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()


class _Graph:
    """A function captured with inputs of one form."""

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Any],
        at_place: frozenset[int],
        room: _Room,
    ) -> None:
        self._copies = {
            number: torch.empty_like(given).copy_(given)
            for number, given in enumerate(inputs)
            if number not in at_place and isinstance(given, Tensor)
        }
        given = [self._copies.get(number, whole) for number, whole in enumerate(inputs)]
        tensors = _tensors(given)
        self._device = tensors[0].device
        self._capture(lambda: function(*given), tensors, room)

    def replay(self, inputs: Sequence[Any]) -> Any:
        """What the function gives for other inputs of this form."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(self._ended)
        for number, copy in self._copies.items():
            copy.copy_(inputs[number])
        self._graph.replay()
        found = tree_map_only(Tensor, torch.clone, self._outputs)
        self._ended.record(stream)
        return found

    def _capture(self, call: Callable[[], Any], inputs: Sequence[Tensor], room: _Room) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._ended = torch.cuda.Event()
        self._outside = _Outside(inputs)
        stream = room.stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            call()  # libraries make what they need for this stream
        capture = torch.cuda.graph(
            self._graph, room.pool, stream, capture_error_mode='thread_local'
        )
        try:
            with torch.cuda.stream(torch.cuda.current_stream()), capture, self._outside:
                self._outputs = call()
        except BaseException:
            _end_capturing(self._device)
            raise
        torch.cuda.current_stream().wait_stream(stream)


def _end_capturing(device: torch.device) -> None:
    """Let random numbers be drawn again after a failed capture, which leaves their generator in
    the state of capturing: a copy of it is not.
    """
    generator = torch.cuda.default_generators[device.index]
    generator.graphsafe_set_state(generator.clone_state())


class _Outside(TorchDispatchMode):
    """Keeps what a function reads besides its inputs, such as constants in a cache that may drop
    them: a graph knows no more than where they lie.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self._known = {_storage(each) for each in inputs}
        self.kept: list[Tensor] = []

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor) and _storage(given) not in self._known:
                self._known.add(_storage(given))
                self.kept.append(given)
        found = function(*args, **(kwargs or {}))
        made = (each for each in tree_leaves(found) if isinstance(each, Tensor))
        self._known.update(map(_storage, made))
        return found


def _tensors(inputs: Sequence[Any]) -> list[Tensor]:
    return [given for given in inputs if isinstance(given, Tensor)]


def _storage(of: Tensor) -> int:
    return of.untyped_storage()._cdata


def _suit(inputs: Sequence[Any]) -> bool:
    """Whether a function of these can be captured."""
    tensors = _tensors(inputs)
    return (
        bool(tensors)
        and all(given.is_cuda for given in tensors)
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.cuda.is_current_stream_capturing()
    )
