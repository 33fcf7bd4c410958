"""How much memory a piece of work takes."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

STATUS, CLEAR = Path('/proc/self/status'), Path('/proc/self/clear_refs')
KIB = 1024


def restart_peaks() -> None:
    """Let the peaks be those of what comes now, as far as the system can."""
    with suppress(OSError):  # elsewhere the peak is that of the process's whole life
        CLEAR.write_text('5', encoding='ascii')  # Linux: forget the highest resident size
    torch = _torch_on_device()
    if torch is not None:
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def peak_memory() -> int:
    """Highest resident memory of this process in bytes, since `restart_peaks` where possible."""
    known = _status('VmHWM')
    if known is not None:
        return known
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == 'darwin' else highest * KIB


def resident_memory() -> int | None:
    """Resident memory of this process in bytes; None where the system does not say."""
    return _status('VmRSS')


def peak_device_memory() -> int | None:
    """Most memory that torch took on a device in bytes, since `restart_peaks`; None without one."""
    torch = _torch_on_device()
    if torch is None:
        return None
    devices = range(torch.cuda.device_count())
    return max((int(torch.cuda.max_memory_allocated(device)) for device in devices), default=None)


def _status(name: str) -> int | None:
    """A size in bytes that Linux knows of this process."""
    with suppress(OSError):
        for line in STATUS.read_text(encoding='ascii').splitlines():
            if line.startswith(f'{name}:'):
                return int(line.split()[1]) * KIB
    return None


def _torch_on_device():  # type: ignore[no-untyped-def]
    """Torch, if this process computes on a device with it."""
    torch = sys.modules.get('torch')
    return torch if torch is not None and torch.cuda.is_initialized() else None
