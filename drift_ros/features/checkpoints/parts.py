"""Loads the parts of a model folder and refuses what is incomplete or of another kind."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift_ros.documents import DocumentError, read_json
from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints.files import weight_files

log = logging.getLogger(__name__)

SCHEDULE = (
    'num_train_timesteps',
    'beta_start',
    'beta_end',
    'beta_schedule',
    'trained_betas',
    'rescale_betas_zero_snr',
)


def read_config(folder: Path, part: str = '.', name: str = 'config.json') -> dict[str, Any]:
    """The configuration of a part.

    Raises:
        CheckpointError: there is none, or it is not one.
    """
    path = folder / part / name
    if not path.is_file():
        raise CheckpointError(
            f'{path} does not exist: the download of {folder} is incomplete, or it is another kind '
            'of model'
        )
    try:
        config = read_json(path)
    except DocumentError as error:
        raise CheckpointError(f'{path} is not a configuration: {error}') from None
    if not isinstance(config, dict) or not config:
        raise CheckpointError(f'{path} is not a configuration: expected a mapping with entries')
    return config


def read_numbers(
    config: Mapping[str, Any], name: str, default: Sequence[float], path: Path
) -> tuple[float, ...]:
    """Positive numbers from a configuration, as many as the default has.

    Args:
        config: the configuration.
        name: of the entry; a single number may stand without a list.
        default: where there is no such entry.
        path: of the configuration, for the message.

    Raises:
        CheckpointError: the entry is something else.
    """
    entry = config.get(name, default)
    values = entry if isinstance(entry, list | tuple) else [entry]
    if len(values) != len(default) or not all(_is_positive(value) for value in values):
        raise CheckpointError(
            f'{path}: {name} must be {len(default)} positive number(s), got {entry!r}: the file is '
            'damaged, or of another model'
        )
    return tuple(float(value) for value in values)


def load_part(
    folder: Path,
    part: str,
    classes: Any,
    dtype: torch.dtype,
    *,
    advice: str = '',
    changes: Mapping[str, Any] | None = None,
) -> Any:
    """Load one part of a model folder, without network.

    Args:
        folder: of the model.
        part: subfolder, or `.` for the folder itself.
        classes: model class of diffusers or transformers that is expected, or several of them.
        dtype: number format.
        advice: what to do about a model of another class, for the message.
        changes: entries of the configuration that are taken in place of those of the folder, such
            as fewer layers; weights that are then not needed are left out (diffusers only).

    Returns:
        The model on the CPU, in inference mode.

    Raises:
        CheckpointError: it is missing, incomplete, or of another class.
    """
    place = folder / part
    cls = require_class(folder, part, classes, advice=advice)
    weights = weight_files(place, dtype)
    if weights.variant and dtype == torch.float32:
        log.info('%s has its weights in half precision only', place)
    options: dict[str, Any] = {'low_cpu_mem_usage': True}
    if cls.__module__.startswith('diffusers') and importlib.util.find_spec('accelerate') is None:
        options['low_cpu_mem_usage'] = False  # diffusers needs accelerate for it
    try:
        with _quiet():
            model, info = cls.from_pretrained(
                place,
                local_files_only=True,
                use_safetensors=weights.safetensors,
                variant=weights.variant,
                torch_dtype=dtype,
                output_loading_info=True,
                **options,
                **(changes or {}),
            )
    except Exception as error:
        raise CheckpointError(
            f'cannot load {cls.__name__} from {place} (incomplete download?): {error}'
        ) from error
    wrong = [key for kind in ('missing_keys', 'mismatched_keys') for key in info.get(kind, ())]
    if wrong:
        raise CheckpointError(
            f'the weights in {place} lack {len(wrong)} tensors of {cls.__name__} '
            f'({", ".join(str(key) for key in sorted(wrong, key=str)[:3])}): the download is '
            'incomplete, or config.json is of another model'
        )
    torch.nn.Module.to(model, dtype=dtype)  # that of diffusers warns of parts it would keep
    return model.eval().requires_grad_(False)


def require_class(folder: Path, part: str, classes: Any, *, advice: str = '') -> Any:
    """The class that the configuration of a part names, if it is one of those expected.

    Raises:
        CheckpointError: it is another one, or there is no configuration.
    """
    expected: Sequence[Any] = classes if isinstance(classes, tuple | list) else (classes,)
    config = read_config(folder, part)
    named = config.get('_class_name') or (config.get('architectures') or [None])[0]
    if named is None:  # transformers may leave it out: then the kind of configuration tells
        named = config.get('model_type')
        fits = [c for c in expected if getattr(c, 'config_class', None) and _kind(c) == named]
    else:
        fits = [c for c in expected if c.__name__ == named]
    if not fits:
        wanted = ' or '.join(c.__name__ for c in expected)
        raise CheckpointError(
            f'{folder / part} holds {named or "no named class of model"}, expected {wanted}'
            + (f': {advice}' if advice else '')
        )
    return fits[0]


def load_alphas_cumprod(folder: Path, part: str = 'scheduler') -> Tensor:
    """(N,) abar of each timestep that a scheduler's configuration means, in float32.

    Schedules rescaled to zero signal at their end keep abar 0 there. What the network predicts
    (noise or velocity) makes no difference.

    Raises:
        CheckpointError: there is no such configuration, or it has no schedule of betas.
    """
    from diffusers import DDIMScheduler

    config = read_config(folder, part, 'scheduler_config.json')
    if 'beta_schedule' not in config and config.get('trained_betas') is None:
        raise CheckpointError(
            f'{folder / part}/scheduler_config.json holds a {config.get("_class_name")} without '
            'beta_schedule: expected the scheduler of a diffusion model with discrete timesteps'
        )
    try:
        options = {name: config[name] for name in SCHEDULE if name in config}
        alphas: Tensor = DDIMScheduler(**options).alphas_cumprod
    except (NotImplementedError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'{folder / part}/scheduler_config.json gives no noise schedule: {error}'
        ) from None
    return alphas


def _is_positive(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < float('inf')  # type: ignore[operator]


def _kind(cls: Any) -> str:
    return str(cls.config_class.model_type)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting on tensors, which are checked here, and on its progress."""
    from transformers.utils import logging as reports

    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()
