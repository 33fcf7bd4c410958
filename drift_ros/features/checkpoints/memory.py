"""Whether the weights will fit, said before they are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from drift_ros.errors import DeviceError
from drift_ros.features.checkpoints.files import weight_files

GIGABYTE = 1e9


def require_memory(
    folder: Path, kept: Mapping[str, Sequence[str]], *, device: torch.device, dtype: torch.dtype
) -> int:
    """Check that a device can take the weights that will stay on it.

    Args:
        folder: of the model.
        kept: part -> beginnings of the names of those tensors and modules in it that are not kept.
        device: where they go.
        dtype: number format that they get.

    Returns:
        Bytes that they need. The memory of a pass comes on top.

    Raises:
        DeviceError: fewer bytes are free.
        CheckpointError: weights are missing or incomplete.
    """
    needed = {part: weight_bytes(folder / part, dtype, skip) for part, skip in kept.items()}
    total = sum(needed.values())
    free = free_memory(device)
    if free is not None and total > free:
        sizes = ', '.join(f'{part} {size / GIGABYTE:.2f}' for part, size in needed.items())
        raise DeviceError(
            f'the weights of {folder} take {total / GIGABYTE:.2f} GB as {_name(dtype)} ({sizes}) '
            f'and {device} has {free / GIGABYTE:.2f} GB free: free some, set features.dtype to '
            'float16 or bfloat16, or choose a smaller model'
        )
    return total


def weight_bytes(place: Path, dtype: torch.dtype, skip: Sequence[str] = ()) -> int:
    """Bytes of the weights in a folder in a number format.

    Tensors whose names, or names inside of a module, begin with one of `skip` are left out. Pickled
    weights cannot be looked into without loading them and are counted as a whole.
    """
    files = weight_files(place, dtype)
    if not files.safetensors:
        return files.size * dtype.itemsize // (2 if files.variant else 4)
    unwanted = [f'.{start}' for start in skip]
    return dtype.itemsize * sum(
        count
        for name, count in files.tensors()
        if not any(start in f'.{name}' for start in unwanted)
    )


def free_memory(device: torch.device) -> int | None:
    """Free bytes of a GPU, or of the machine; None where that is unknown."""
    if device.type == 'cuda':
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith('MemAvailable:')]
    return int(found[0]) * 1024 if found else None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')
