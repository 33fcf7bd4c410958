"""Sequences on a Ray cluster: one process, with one model, per worker.

Ray places the workers, carries tasks and results, and reports lost workers. A sequence
whose worker was lost goes to another one. Results travel back to the process that asked, which
alone writes the output folder; so a run on a cluster is continued like any other.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import drift_ros
from drift_ros.errors import DeviceError, DriftError, OutputError
from drift_ros.evaluation.methods import MethodSpec
from drift_ros.evaluation.running.ray_worker import Answer, Worker, sizes_of
from drift_ros.evaluation.running.sequence import make_empty
from drift_ros.evaluation.running.tasks import Task, write_score
from drift_ros.evaluation.running.workers import OnDone, OnFrame
from drift_ros.paths import below

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0  # s that a cluster has to answer
WARN_AFTER = 60.0  # s without news after which it is said what is waited for


@dataclass(frozen=True)
class RayRunner:
    """Does tasks on a cluster, in place of processes of this machine.

    Attributes:
        address: `auto`, `host:port` or `ray://host:port` of a cluster that runs; `local`: a cluster
            of this machine alone, which ends with the run.
        workers: how many at most; None: as many as the cluster holds.
        gpus: of each worker, parts allowed; None: 1 where the cluster has any and the method may
            use it, else 0.
        cpus: of each worker, and its threads.
        retries: how often a sequence goes to another worker before the run gives up.
    """

    address: str = 'auto'
    workers: int | None = None
    gpus: float | None = None
    cpus: int = 1
    retries: int = 3

    def __call__(
        self, tasks: Sequence[Task], spec: MethodSpec, on_frame: OnFrame, on_done: OnDone
    ) -> None:
        """Do all tasks.

        Args:
            tasks: what to do; each is begun in this order.
            on_frame: not called; workers report whole sequences.
            on_done: called with the outcome of a task, once its results are written.

        Raises:
            DeviceError: there is no cluster, or it cannot hold a worker; Ray is missing.
            DriftError: the method cannot be made there, the data is not there, results cannot be
                written, or a sequence lost its worker too often.
        """
        ray = _import()
        with _connected(ray, self.address):
            gpus = self._gpus(ray, spec)
            room = self._room(ray, gpus)
            actor = ray.remote(Worker).options(
                num_cpus=self.cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy='SPREAD'
            )
            arguments = (spec, 'cuda:0' if gpus else None, self.cpus)
            run = _Run(ray, actor, arguments, deque(tasks), on_done, self.retries)
            run.execute(min(len(tasks), room, self.workers or room))

    def _gpus(self, ray: Any, spec: MethodSpec) -> float:
        if self.gpus is not None:
            return self.gpus
        device = spec.settings.get('features.device', 'auto')
        return 1.0 if device != 'cpu' and ray.cluster_resources().get('GPU', 0) else 0.0

    def _room(self, ray: Any, gpus: float) -> int:
        """How many workers the machines of the cluster hold."""
        wanted = {'CPU': self.cpus, 'GPU': gpus}
        machines = [node['Resources'] for node in ray.nodes() if node['Alive']]
        room = sum(
            min(int(machine.get(kind, 0) / count) for kind, count in wanted.items() if count)
            for machine in machines
        )
        if room:
            return room
        has = '; '.join(f'{m.get("CPU", 0):g} CPUs and {m.get("GPU", 0):g} GPUs' for m in machines)
        raise DeviceError(
            f'no machine of the Ray cluster has {self.cpus} CPUs and {gpus:g} GPUs, which a worker '
            f'is to have; they have {has}. Ask for less (--ray-cpus, --ray-gpus)'
        )


@dataclass
class _Run:
    ray: Any
    actor: Any
    arguments: tuple[Any, ...]
    queue: deque[Task]
    on_done: OnDone
    retries: int
    busy: dict[Any, tuple[Any, Task | None]] = field(default_factory=dict)  # None: it starts
    idle: list[Any] = field(default_factory=list)
    losses: Counter[str] = field(default_factory=Counter)  # by sequence; '': while starting

    def execute(self, workers: int) -> None:
        for _ in range(workers):
            self._start()
        while self.queue or any(task is not None for _, task in self.busy.values()):
            ready, _ = self.ray.wait(list(self.busy), num_returns=1, timeout=WARN_AFTER)
            if not ready:
                self._warn_waiting()
            for answer in ready:
                self._take(answer)
            while self.queue and self.idle:
                self._give(self.idle.pop())

    def _start(self) -> None:
        worker = self.actor.remote(*self.arguments)
        self.busy[worker.start.remote(drift_ros.__version__, os.getcwd())] = (worker, None)

    def _give(self, worker: Any) -> None:
        task = self.queue.popleft()
        self.busy[worker.run.remote(task, sizes_of(task.sequence))] = (worker, task)

    def _take(self, reference: Any) -> None:
        worker, task = self.busy.pop(reference)
        try:
            answer = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise DriftError(f'a worker failed: {_summary(error)}') from error
        except self.ray.exceptions.RayError as error:  # the process, its machine or its answer
            self._lost(worker, task, error)
            return
        if isinstance(answer, DriftError):
            raise answer
        self.idle.append(worker)
        if task is not None:
            _write(task, answer)
            self.on_done(task, answer.found)

    def _lost(self, worker: Any, task: Task | None, error: Exception) -> None:
        self.ray.kill(worker)
        name = task.sequence.name if task is not None else ''
        self.losses[name] += 1
        if self.losses[name] > self.retries:
            what = f'the worker of {name} was' if name else 'workers were'
            raise DeviceError(
                f'{what} lost {self.losses[name]} times, the last time so: {_summary(error)}. If '
                'memory ran out, give fewer --ray-workers or more --ray-cpus to each; drift_ros '
                'must be installed on every machine. The same command goes on from here'
            )
        log.warning('the worker of %s was lost; another one takes over', name or 'no sequence yet')
        if task is not None:
            self.queue.appendleft(task)
        self._start()

    def _warn_waiting(self) -> None:
        waiting = sum(task is None for _, task in self.busy.values())
        if waiting == len(self.busy):
            log.warning('waiting for the Ray cluster: it has no room for a worker at the moment')


def _write(task: Task, answer: Answer) -> None:
    """Put results where a run on this machine would have written them; score.json last."""
    make_empty(task.folder)
    for name, content in answer.files.items():
        place = below(task.folder, name, 'the file of a worker')
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except OSError as error:
            raise OutputError(f'cannot write {place}: {error}') from None
    write_score(task.folder, answer.found)


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """A connection that ends with the block, unless there was one before."""
    if ray.is_initialized():
        yield
        return
    _check_reachable(address)
    options: Mapping[str, Any] = {
        'logging_level': logging.ERROR, 'log_to_driver': False, 'configure_logging': False,
    }  # fmt: skip
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _unreachable(address, error) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Make sure that something answers there: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix('ray://').rpartition(':')
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> DeviceError:
    return DeviceError(
        f'no Ray cluster answers at {address!r} ({_summary(error)}): start one by `ray start '
        '--head` and name it, or give --ray local'
    )


def _import() -> Any:
    try:
        import ray
    except ImportError as error:
        raise DeviceError(f'--ray needs Ray, which is missing ({error}): pip install ray') from None
    return ray


def _summary(error: Exception) -> str:
    """The first line of what Ray says, or the cause in the last one of a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if 'Error: ' in line and not line.startswith('ray.')]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0]
