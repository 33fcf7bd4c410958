"""The score of a sequence, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drift_ros.errors import SourceError
from drift_ros.evaluation.metrics.frames import score_frame
from drift_ros.evaluation.protocols import Labels
from drift_ros.evaluation.scores import ObjectScore, Said, SequenceScore


class Scorer:
    """Takes label maps with their truth, in the order of the frames.

    An object is scored from the frame after the one on which it was first given.

    Args:
        objects: id -> name.
        given: frame number -> ids of the objects whose truth the tracker got there.
    """

    def __init__(
        self, name: str, objects: Mapping[int, str], given: Mapping[int, Sequence[int]]
    ) -> None:
        self._name, self._objects = name, dict(sorted(objects.items()))
        self._size: tuple[int, int] | None = None
        self._begins = {
            id_: min((index for index, ids in given.items() if id_ in ids), default=-1)
            for id_ in self._objects
        }
        self._rows: dict[int, list[tuple[Any, ...]]] = {id_: [] for id_ in self._objects}

    def add(
        self,
        index: int,
        truth: Labels,
        result: Labels,
        said: Mapping[int, Said] | None = None,
    ) -> dict[int, tuple[float, float]]:
        """Score one frame.

        Args:
            index: number of the frame.
            truth, result: (H, W) uint8 label maps.
            said: id -> what the tracker says of the object; None, then for all frames: nothing.

        Returns:
            Id -> (J, F) of the objects that are scored on this frame.

        Raises:
            SourceError: the maps differ in size.
        """
        if truth.shape != result.shape:
            raise SourceError(
                f'frame {index}: the result is {result.shape[1]}x{result.shape[0]} px and the '
                f'truth {truth.shape[1]}x{truth.shape[0]}: both must have the size of the image'
            )
        self._size = (truth.shape[0], truth.shape[1])
        ids = [id_ for id_, begin in self._begins.items() if begin < index]
        if not ids:
            return {}
        found = score_frame(truth, result, ids)
        for row in zip(ids, found.j, found.f, found.follower, strict=True):
            more = () if said is None else said.get(row[0], Said(0.0, None))
            self._rows[row[0]].append((index, *row[1:], *more))
        return dict(zip(ids, zip(found.j, found.f, strict=True), strict=True))

    def score(
        self,
        frames: int,
        seconds: float | None = None,
        memory: int | None = None,
        device_memory: int | None = None,
        skipped: Sequence[str] = (),
    ) -> SequenceScore:
        """The score of all frames so far; see SequenceScore for the arguments.

        Objects without a scored frame are left out and named in `skipped`.

        Raises:
            SourceError: no object has a scored frame.
        """
        empty = [id_ for id_, rows in self._rows.items() if not rows]
        if self._size is None or len(empty) == len(self._rows):
            raise SourceError(
                f'{self._name} has no scored frame: expected annotations behind the first one'
            )
        objects = tuple(
            ObjectScore(id_, self._objects[id_], *zip(*rows, strict=True))
            for id_, rows in self._rows.items()
            if rows
        )
        left_out = (f'object {id_} has no scored frame' for id_ in empty)
        return SequenceScore(
            name=self._name,
            size=self._size,
            frames=frames,
            objects=objects,
            seconds=seconds,
            memory=memory,
            device_memory=device_memory,
            skipped=(*skipped, *left_out),
        )
