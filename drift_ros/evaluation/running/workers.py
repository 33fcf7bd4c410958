"""Sequences on several processes of this machine.

Each process makes the method once, on a device of its own where there are several, and gets the
next sequence whenever it is free. They are started anew rather than forked: threads and devices do
not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from drift_ros.errors import DriftError
from drift_ros.evaluation.methods import MethodSpec
from drift_ros.evaluation.running.tasks import Task, run_task, write_score
from drift_ros.evaluation.scores import Refusal, Score

FRAME, DONE, FAILED = 'frame', 'done', 'failed'
PATIENCE = 5.0  # s that a process gets to end

OnFrame = Callable[[Task, int, int], None]
OnDone = Callable[[Task, Score | Refusal], None]


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    device: str | None
    task: Task | None = None


def run_tasks(
    tasks: Sequence[Task],
    spec: MethodSpec,
    jobs: int,
    devices: Sequence[str],
    on_frame: OnFrame,
    on_done: OnDone,
) -> None:
    """Run tasks on processes; they end with this call, however it ends.

    A process that dies costs the sequence that it was at: that is refused, and another process
    takes its place.

    Args:
        tasks: what to do; each is begun in this order.
        jobs: number of processes.
        devices: devices that they take in turn; none: as the settings say.
        on_frame: called with a task, how many of its frames were put in, and how many there are.
        on_done: called with the outcome of a task.

    Raises:
        DriftError: the method cannot be made, or results cannot be written.
    """
    queue = deque(tasks)
    context = multiprocessing.get_context('spawn')
    workers: list[_Worker] = []

    def start(device: str | None) -> None:
        here, there = context.Pipe()
        arguments = (there, spec, device, max(1, jobs))
        # daemons could not start processes of their own, which some trackers do to load data
        process = context.Process(target=_serve, args=arguments, daemon=False)
        process.start()
        there.close()
        worker = _Worker(process, here, device)
        workers.append(worker)
        give(worker)

    def give(worker: _Worker) -> None:
        worker.task = queue.popleft() if queue else None
        with suppress(OSError):  # it died; the wait below finds out
            worker.pipe.send(worker.task)

    def died(worker: _Worker) -> None:
        workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        if worker.task is None:
            return
        code = worker.process.exitcode or 0
        why = signal.Signals(-code).name if code < 0 else f'exit code {code}'
        reason = f'its process ended ({why})'
        if code == -signal.SIGKILL:
            reason += '; most often memory ran out: fewer --jobs take less'
        refusal = Refusal(worker.task.sequence.name, reason)
        write_score(worker.task.folder, refusal)
        on_done(worker.task, refusal)
        if queue:
            start(worker.device)

    try:
        for number in range(min(jobs, len(tasks))):
            start(devices[number % len(devices)] if devices else None)
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, OSError):
                    died(worker)
                    continue
                if kind == FAILED:
                    raise content
                assert worker.task is not None
                if kind == FRAME:
                    on_frame(worker.task, *content)
                else:
                    task = worker.task
                    give(worker)  # before anything else, so that it never waits
                    on_done(task, content)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()


def _serve(pipe: Connection, spec: MethodSpec, device: str | None, jobs: int) -> None:
    """The life of a process: a task, what came of it, the next one; None ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _share_cores(jobs)
    try:
        method = None
        while (task := pipe.recv()) is not None:
            method = method or spec.make(device)
            pipe.send((DONE, run_task(task, method, partial(_tell, pipe))))
    except DriftError as error:
        pipe.send((FAILED, error))
    except (EOFError, BrokenPipeError):
        pass  # the parent is gone


def _tell(pipe: Connection, done: int, count: int) -> None:
    pipe.send((FRAME, (done, count)))


def _share_cores(jobs: int) -> None:
    """Threads for a fair share of the cores, unless the environment says how many."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    if 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(max(1, (cores or 1) // jobs))


def visible_devices(setting: Any) -> list[str]:
    """Devices that several processes share out: all GPUs where the setting leaves the choice."""
    import torch

    if setting not in ('auto', 'cuda') or not torch.cuda.is_available():
        return []
    return [f'cuda:{number}' for number in range(torch.cuda.device_count())]
