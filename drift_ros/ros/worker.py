"""One thread that owns the device, and serves several streams in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from drift_ros.interruption import checkpoint

Job = Callable[[], None]


class Source(Protocol):
    """What a worker serves. All methods but the jobs are quick."""

    def next_job(self) -> Job | None:
        """What is to be done next, taken out of the line; called with the lock held."""

    def give_up(self, reason: str) -> None:
        """End the job that runs at its next checkpoint."""

    def end(self) -> None:
        """The thread ends: nothing will be done any more. Called in it."""


class Worker:
    """Runs the jobs of its sources, one after the other, in a thread of its own.

    Sources take turns: of those that have something to do, the one comes next whose last turn is
    longest ago. So one that always has something holds up another one by one job at most.

    Attributes:
        changed: to be held while what the sources have to do is changed, and notified after that.
        stopping: whether the thread is to end, or has ended.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopping = False
        self._sources: list[Source] = []  # the next one first
        self._thread = threading.Thread(target=self._run, name='tracker', daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def serve(self, source: Source) -> None:
        """Let another source take part."""
        with self.changed:
            self._sources.append(source)
            self.changed.notify()

    def stop(self, timeout: float) -> bool:
        """End the thread; what runs and what waits is given up. Returns whether it ended in
        `timeout` seconds.

        A single call into a native library cannot be interrupted: the thread ends after it, and
        being a daemon it does not hold up the end of the process.
        """
        with self.changed:
            self.stopping = True
            for source in self._sources:
                source.give_up('the tracker is shut down')
            self.changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # ---------------------------------------------------------------------- in the worker's thread

    def _run(self) -> None:
        hook = register_module_forward_pre_hook(_module_checkpoint)
        try:
            while (job := self._next_job()) is not None:
                job()
        finally:
            hook.remove()
            for source in self._sources:
                source.end()

    def _next_job(self) -> Job | None:
        with self.changed:
            while not self.stopping:
                for source in self._sources:
                    if (job := source.next_job()) is not None:
                        self._sources.remove(source)
                        self._sources.append(source)
                        return job
                self.changed.wait()
            return None


def _module_checkpoint(*_: object) -> None:
    """Before each module of a network: whole passes take long."""
    if not torch.compiler.is_compiling():
        checkpoint()
