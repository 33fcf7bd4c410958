"""What a prompt must satisfy before anyone segments with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from drift_ros.errors import PromptError
from drift_ros.prompts.prompt import BACKGROUND_POINT, OBJECT_POINT, Prompt
from drift_ros.prompts.queries import clip_boxes, pixels

MAX_ID = 254
MAX_BOXES = 256  # of one request, all prompts together: each is segmented by itself
MAX_POINTS = 4096
MAX_NAME = 1024  # characters: it is in every result


def validate(prompts: Sequence[Prompt], size: tuple[int, int]) -> None:
    """Check the prompts of one request against the image that they were given on.

    A point is inside the image from half a pixel left of and above the first pixel's centre on. A
    box that reaches over the border is fine (segmenters clip it) as long as at least one pixel of
    it is inside. Id 0 asks for the next free id and may occur often.

    Args:
        prompts: the prompts of one request; none at all is valid.
        size: (H, W) of the image in px.

    Raises:
        PromptError: names the prompt, the field, its value, the image's size and the remedy.
    """
    if len(prompts) > MAX_ID:
        raise PromptError(
            f'a request may hold at most {MAX_ID} prompts, one per id, got {len(prompts)}; '
            f'prompt fewer objects'
        )
    check_counts(sum(len(p.boxes) for p in prompts), sum(len(p.points) for p in prompts))
    for index, prompt in enumerate(prompts):
        problem = _problem(prompt, size)
        if problem:
            height, width = size
            raise PromptError(
                f'{_title(prompt, index)} on an image of {width}x{height} px: {problem}'
            )
    counts = Counter(prompt.id for prompt in prompts if prompt.id != 0)
    twice = sorted(id_ for id_, count in counts.items() if count > 1)
    if twice:
        raise PromptError(
            f'ids {twice} occur more than once in one request; give every object its own id, '
            f'or 0 for the next free one'
        )


def check_counts(boxes: int, points: int) -> None:
    """Check how much the prompts of one request ask for.

    Raises:
        PromptError: it would take too long; names the limit.
    """
    for what, count, limit in (('boxes', boxes, MAX_BOXES), ('points', points, MAX_POINTS)):
        if count > limit:
            raise PromptError(
                f'the prompts of a request may hold at most {limit} {what} together, got {count}: '
                'give fewer, or a mask'
            )


def check_name(name: str, who: str) -> None:
    """Check a target's name by itself.

    Raises:
        PromptError: it is too long; `who` says whose it is.
    """
    if problem := _name_problem(name):
        raise PromptError(f'{who}: {problem}')


def _name_problem(name: str) -> str:
    if len(name) > MAX_NAME:
        return f'name has {len(name)} characters; give it at most {MAX_NAME}'
    return ''


def _title(prompt: Prompt, index: int) -> str:
    """How messages name a prompt: by its place, its id and its name."""
    words = [f'prompt {index}']
    if prompt.id != 0:
        words.append(f'id {prompt.id}')
    if prompt.name:
        words.append(repr(prompt.name[:80]))
    return words[0] if len(words) == 1 else f'{words[0]} ({", ".join(words[1:])})'


def _problem(prompt: Prompt, size: tuple[int, int]) -> str:
    if not 0 <= prompt.id <= MAX_ID:
        return f'id is {prompt.id}; use 1 to {MAX_ID}, or 0 for the next free id'
    if problem := _name_problem(prompt.name):
        return problem
    if not len(prompt.points) and not len(prompt.boxes) and prompt.mask is None:
        return 'points, boxes and mask are all empty; give at least one point on the object'
    return (
        _points_problem(prompt, size) or _boxes_problem(prompt, size) or _mask_problem(prompt, size)
    )


def _points_problem(prompt: Prompt, size: tuple[int, int]) -> str:
    points, labels = prompt.points, prompt.point_labels
    if points.ndim != 2 or points.shape[1] != 2:
        return f'points have shape {points.shape}; give one (x, y) per point'
    if labels.shape != (len(points),):
        return (
            f'point_labels has {labels.size} values for {len(points)} points; give one per point '
            f'({OBJECT_POINT} on the object, {BACKGROUND_POINT} not on it)'
        )
    wrong = labels[(labels != OBJECT_POINT) & (labels != BACKGROUND_POINT)]
    if len(wrong):
        return (
            f'point_labels holds {wrong[0]}; use {OBJECT_POINT} for a point on the object and '
            f'{BACKGROUND_POINT} for a point that is not'
        )
    height, width = size
    for x, y in points:
        if not (np.isfinite(x) and np.isfinite(y)):
            return f'points holds ({x:g}, {y:g}); coordinates must be finite numbers in px'
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            return (
                f'points holds ({x:g}, {y:g}), which is outside the image; use x from 0 to '
                f'{width - 1} and y from 0 to {height - 1} of the very image that is prompted'
            )
    on = labels == OBJECT_POINT
    if len(points) and not on.any() and not len(prompt.boxes) and prompt.mask is None:
        return (
            'points only say where the object is not; add a point on it '
            f'(label {OBJECT_POINT}), a box or a mask'
        )
    clash = set(map(tuple, pixels(points[on]).tolist())) & set(
        map(tuple, pixels(points[~on]).tolist())
    )
    if clash:
        return (
            f'pixel {min(clash)} is labelled both on and not on the object; drop one of the points'
        )
    return ''


def _boxes_problem(prompt: Prompt, size: tuple[int, int]) -> str:
    boxes = prompt.boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        return f'boxes have shape {boxes.shape}; give (x, y, width, height) per box'
    for box in boxes:
        text = '(x {:g}, y {:g}, width {:g}, height {:g})'.format(*box)
        if not np.isfinite(box).all():
            return f'boxes holds {text}; it must hold finite numbers in px'
        if not (box[2] > 0 and box[3] > 0):
            return f'boxes holds {text}; width and height must be positive'
        left, top, right, bottom = clip_boxes(box[None], size)[0]
        if right - left < 1 or bottom - top < 1:
            return f'boxes holds {text}, which covers no pixel of the image; move or enlarge it'
    return ''


def _mask_problem(prompt: Prompt, size: tuple[int, int]) -> str:
    mask = prompt.mask
    if mask is None:
        return ''
    if mask.dtype != np.bool_ or mask.ndim != 2:
        return f'mask is {mask.dtype} of shape {mask.shape}; give a bool mask of one channel'
    if mask.shape != tuple(size):
        height, width = mask.shape
        return f'mask is {width}x{height} px; it must have the size of the image'
    if not mask.any():
        return 'mask is empty; set the pixels of the object, or leave the mask out'
    return ''
