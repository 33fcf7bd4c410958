"""From prompts to the frame that they are for, and to masks in its label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drift_ros import interruption
from drift_ros.errors import PromptError
from drift_ros.prompts.prompt import Prompt, Segmenter
from drift_ros.structures import Frame
from drift_ros.tracking.window_buffer import BufferedFrame, WindowBuffer


def find_frame(buffer: WindowBuffer, stamp: int | None, frame_id: str) -> BufferedFrame:
    """The kept frame that prompts were given on.

    Args:
        buffer: the kept frames.
        stamp: stamp of the frame in ns; None for the newest.
        frame_id: camera that the prompts were given for; empty for whichever there is.

    Raises:
        PromptError: no such frame is kept, or it is of another camera.
    """
    entry = buffer.find(stamp)
    kept = buffer.kept()
    if kept is None or (stamp is None and buffer.interrupted):
        # after an interruption the newest frame is not what the camera sees now
        raise PromptError('there is no frame to prompt on yet: wait for the first image')
    if entry is None:
        assert stamp is not None
        nearest = min((e.frame.stamp for e in buffer.all()), key=lambda kept: abs(kept - stamp))
        if stamp < kept[0]:
            why = 'it is older than all that are kept (window.history says how many)'
        elif stamp < kept[1]:
            why = 'that image was left out, since the tracker was busy or max_rate asks for fewer'
        else:
            why = 'that image was left out or has not come'
        raise PromptError(
            f'no frame with stamp {_seconds(stamp)} s is kept: {why}; the nearest kept frame is '
            f'that of {_seconds(nearest)} s: prompt on it, on a picture of ~/overlay, which shows '
            'tracked frames only, or on the newest frame (stamp 0)'
        )
    if frame_id not in ('', entry.frame.frame_id):
        raise PromptError(
            f'the prompts are for an image of {frame_id!r}, but the tracker sees '
            f'{entry.frame.frame_id!r}: prompt on its own images'
        )
    return entry


def segment(
    segmenter: Segmenter, frame: Frame, prompts: Sequence[Prompt], ids: Sequence[int]
) -> dict[int, NDArray[np.bool_]]:
    """Masks of prompted targets.

    Args:
        segmenter: turns prompts into masks.
        frame: the frame that the prompts were given on.
        prompts: valid ones for it.
        ids: of the targets, one per prompt.

    Returns:
        Id -> (H, W) bool, in the order of the prompts.

    Raises:
        PromptError: a mask is empty or covered by later ones.
    """
    with interruption.present().segmenting():
        masks = dict(zip(ids, segmenter.segment(frame.image, prompts), strict=True))
    painted = np.zeros(frame.size, np.uint8)
    paint(painted, masks)
    seen = np.bincount(painted.ravel(), minlength=256)
    for target_id, mask in masks.items():
        if not seen[target_id]:
            why = 'lies wholly under later prompts' if mask.any() else 'gives an empty mask'
            raise PromptError(
                f'the prompt for id {target_id} {why} with {segmenter.name}: add points on the '
                'object, or give a box or a mask'
            )
    return masks


def paint(labels: NDArray[np.uint8], masks: Mapping[int, NDArray[np.bool_]]) -> None:
    """Put the masks of targets into a label map, in place of what it shows of them.

    Args:
        labels: (H, W) uint8 ids.
        masks: id -> (H, W) bool; later ones cover earlier ones.
    """
    for target_id in masks:
        labels[labels == target_id] = 0
    for target_id, mask in masks.items():
        labels[mask] = target_id


def _seconds(stamp: int) -> str:
    return f'{stamp // 10**9}.{stamp % 10**9:09d}'
