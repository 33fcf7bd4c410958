"""SIGINT and SIGTERM without an exception in the middle of something.

Python runs its signal handlers in the main thread, between two of its instructions: not while that
thread waits inside a native library. The byte that Python's handler in C writes into a pipe comes
at once, so a thread waits for that.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Leaving:
    """Waits for the first signal; make it in the main thread, once.

    Args:
        timeout: seconds after the signal at which the process is ended, whatever it does then.
        status: exit status of a process that is ended so.
    """

    def __init__(self, timeout: float, status: int = 0) -> None:
        self._timeout = timeout
        self._status = status
        self._asked = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        self._pipe, into = os.pipe()
        os.set_blocking(into, False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(into, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name='signals', daemon=True).start()

    def then(self, wake: Callable[[], None]) -> None:
        """Call `wake`, in another thread, on a signal; at once if one has come."""
        self._wake = wake
        if self._asked.is_set():
            wake()

    def _watch(self) -> None:
        os.read(self._pipe, 1)
        self._asked.set()
        self._wake()
        time.sleep(self._timeout)
        os._exit(self._status)
