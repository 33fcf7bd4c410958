"""The executable `tracker`.

Importing this module costs nothing: the libraries are imported once the signals are in order.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the node until SIGINT or SIGTERM, and end the process."""
    # Python's own handler raises wherever the main thread is, and libraries that are being imported
    # swallow that. Until the node is made there is nothing to leave in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from drift_ros.ros.running import run

    status = run(args)
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread inside a native library would abort the process while the interpreter is taken down.
    os._exit(status)


if __name__ == '__main__':
    main()
