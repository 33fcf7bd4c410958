"""Annotated pictures as label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.protocols import Labels
from drift_ros.pictures import PictureError, read_values
from drift_ros.visualization.palette import PALETTE

VOID = 255  # of DAVIS: not to be scored; the only value of a binary mask
MAX_ID = 254
WHITE = 0xFFFFFF


def read_annotation(path: Path) -> Labels:
    """Ids of an annotation: (H, W) uint8, 0 = background, 255 = void or a binary mask.

    Palette indices and grey values of 8 or 16 bits are ids. Colours are taken for ids if they are
    those of the palette of DAVIS, or black and white.

    Raises:
        SourceError: the file is missing or broken, has other colours, or ids above 254.
    """
    values, mode = _read(path)
    if values.ndim == 3:
        return _of_colours(values[..., :3], path, mode)
    if values.dtype == bool:
        return np.asarray(values, np.uint8) * VOID
    highest = int(values.max(initial=0))
    if highest > VOID or int(values.min(initial=0)) < 0:
        raise SourceError(
            f'{path} holds the value {highest}: ids go from 1 to {MAX_ID}; number the objects anew'
        )
    return np.asarray(values, np.uint8)


def _read(path: Path) -> tuple[NDArray[Any], str]:
    try:
        return read_values(path)[:2]
    except FileNotFoundError:
        raise SourceError(f'the annotation {path} is missing') from None
    except (OSError, PictureError) as error:
        raise SourceError(f'cannot read the annotation {path}: {error}') from None


def _of_colours(colours: NDArray[np.uint8], path: Path, mode: str) -> Labels:
    if colours.shape[2] < 3 or colours.dtype != np.uint8:
        raise SourceError(
            f'{path} has mode {mode}: expected an indexed PNG, or grey values, that hold ids'
        )
    packed = colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    found, place = np.unique(packed, return_inverse=True)
    known = {int(colour): id_ for id_, colour in enumerate(_packed_palette())}
    if set(found.tolist()) <= {0, WHITE}:
        known[WHITE] = VOID
    foreign = [colour for colour in found.tolist() if colour not in known]
    if foreign:
        raise SourceError(
            f'{path} has colours (mode {mode}) such as #{foreign[0]:06x}, which is none of the '
            'palette of DAVIS: expected an indexed PNG whose values are ids'
        )
    ids = np.array([known[colour] for colour in found.tolist()], np.uint8)
    return ids[place].reshape(packed.shape)


def _packed_palette() -> NDArray[np.int32]:
    return PALETTE.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
