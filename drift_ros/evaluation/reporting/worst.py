"""Which frames went worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drift_ros.evaluation.scores import SequenceScore

APART = 5  # frames between two that are shown, so that they show different mistakes


@dataclass(frozen=True, slots=True)
class Frame:
    """A scored frame.

    Attributes:
        index: number of the frame.
        value: mean over its objects of (J + F) / 2.
        j, f: object's id -> its score in [0, 1].
    """

    sequence: str
    index: int
    value: float
    j: Mapping[int, float]
    f: Mapping[int, float]


def frames_of(score: SequenceScore) -> list[Frame]:
    """All scored frames of a sequence, in order."""
    j: dict[int, dict[int, float]] = {}
    f: dict[int, dict[int, float]] = {}
    for obj in score.objects:
        for index, region, boundary in zip(obj.frames, obj.j, obj.f, strict=True):
            j.setdefault(index, {})[obj.id] = region
            f.setdefault(index, {})[obj.id] = boundary
    return [Frame(score.name, i, (_mean(j[i]) + _mean(f[i])) / 2, j[i], f[i]) for i in sorted(j)]


def worst_frames(
    scores: Iterable[SequenceScore], count: int, per_sequence: int | None = None
) -> list[Frame]:
    """The frames with the lowest scores, worst first.

    Args:
        count: frames at most.
        per_sequence: frames at most of each sequence; any number if not given. Frames of one
            sequence are `APART` frames or more apart.
    """
    chosen: list[Frame] = []
    for frame in sorted((f for s in scores for f in frames_of(s)), key=lambda f: f.value):
        others = [other.index for other in chosen if other.sequence == frame.sequence]
        full = per_sequence is not None and len(others) >= per_sequence
        if full or any(abs(frame.index - other) < APART for other in others):
            continue
        chosen.append(frame)
        if len(chosen) == count:
            break
    return chosen


def _mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / len(values)
