"""The tracker node as a process of its own, watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from drift_ros.errors import DriftError

LOG_LINES = 15


class NodeDiedError(DriftError):
    """The node's process ended before it should."""


class MissingNodeError(DriftError):
    """The node's executable is not installed."""


def find_executable(name: str = 'tracker') -> Path:
    """Where colcon has installed an executable of this package.

    Raises:
        MissingNodeError: in none of the prefixes of AMENT_PREFIX_PATH, nor in this environment.
    """
    listed = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    prefixes = [Path(prefix) for prefix in [*listed, sys.prefix] if prefix]
    for prefix in prefixes:
        candidate = prefix / 'lib' / 'drift_ros' / name
        if os.access(candidate, os.X_OK):
            return candidate
    tried = ', '.join(str(prefix / 'lib' / 'drift_ros') for prefix in dict.fromkeys(prefixes))
    raise MissingNodeError(
        f'the executable {name!r} is not installed (looked in {tried}): build the package with '
        '`make build`, or with colcon, and source its setup file'
    )


class NodeProcess:
    """Runs a command and keeps what it says. Use it in a `with` statement, which ends it."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Nothing, as long as it runs.

        Raises:
            NodeDiedError: it has ended; the message has the last lines of its log.
        """
        status = self._process.poll()
        if status is not None:
            raise NodeDiedError(f'the node ended with status {status}\n{self.last_lines()}')

    def last_lines(self) -> str:
        """End of the log, with its place."""
        lines = self._log.read_text(encoding='utf-8', errors='replace').splitlines()[-LOG_LINES:]
        said = '\n'.join(f'    {line}' for line in lines) or '    (it said nothing)'
        return f'the last lines of {self._log}:\n{said}'

    def stop(self, timeout: float = 10.0) -> None:
        """End it: by an interrupt, and by force if it does not follow in time."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
