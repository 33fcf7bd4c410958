"""Which device and number format a setting means on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from drift_ros.errors import DeviceError
from drift_ros.interruption import GivenUpError

log = logging.getLogger(__name__)

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}  # of weights of so many dimensions


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: a GPU was asked for and is not there.
    """
    if name == 'auto':
        if torch.cuda.is_available():
            return torch.device('cuda')
        _warn_of_cpu()
        return torch.device('cpu')
    device = torch.device(name)
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f'features.device is {name!r} but torch {torch.__version__} sees '
            f'{torch.cuda.device_count()} CUDA '
            'GPUs: install a CUDA build of torch and a driver that fits it, or set features.device '
            'to cpu'
        )
    return device


@lru_cache(maxsize=1)
def _warn_of_cpu() -> None:
    """Once per process, however many networks choose."""
    log.warning('no CUDA GPU was found: running on the CPU; set features.device to choose')


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch dtype for `auto` (float16 on a GPU, else float32) or a name."""
    if name == 'auto':
        return torch.float16 if device.type == 'cuda' else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def prepare(module: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Move a network for inference: cast, channels innermost in memory, no gradients; in place.

    On a GPU group norms, pools and residual blocks keep channels innermost (`innermost.py`), and
    wide heads attend by products (`wide_attention.py`).
    """
    # that of diffusers warns of parts to be kept in float32, even where there are none
    nn.Module.to(module, device=device, dtype=dtype)
    for weight in module.parameters():
        layout = LAYOUTS.get(weight.dim())
        if layout is not None:
            weight.data = weight.data.to(memory_format=layout)
    if device.type == 'cuda':
        from drift_ros.features.innermost import keep_channels_innermost
        from drift_ros.features.wide_attention import use_products

        keep_channels_innermost(module)
        use_products(module)
    return module.eval().requires_grad_(False)


def require_finite(values: Tensor, what: str) -> None:
    """Refuse what overflowed. The meta device has no values, so nothing is refused there.

    Args:
        values: output of a network.
        what: its name, for the message.

    Raises:
        DeviceError: an entry is NaN or infinite.
    """
    if not values.is_meta:
        refuse_overflow(values.isfinite().all(), values.dtype, what)


def refuse_overflow(finite: Tensor, dtype: torch.dtype, what: str) -> None:
    """`require_finite` where it is known already whether all is finite: () bool.

    Raises:
        DeviceError: it is not.
    """
    if bool(finite):
        return
    raise DeviceError(
        f'{what} overflows in {str(dtype).removeprefix("torch.")} on these frames: set '
        'features.dtype to bfloat16 or float32'
    )


def compiled(module: Any, wanted: bool) -> Callable[..., Any]:
    """The network as `torch.compile` makes it if that is wanted and works, else as it is.

    Whether it works turns out in the first pass: a missing compiler or an operation that cannot be
    compiled is logged once, and the network runs uncompiled from then on.
    """
    if not wanted:
        return module
    state = {'run': torch.compile(module)}

    def run(*args: Any, **kwargs: Any) -> Any:
        if state['run'] is module:
            return module(*args, **kwargs)
        try:
            return state['run'](*args, **kwargs)
        except (torch.OutOfMemoryError, GivenUpError):
            raise
        except Exception as error:
            log.warning(
                'torch.compile failed on %s, it runs uncompiled: %s', type(module).__name__, error
            )
            state['run'] = module
            return module(*args, **kwargs)

    return run
