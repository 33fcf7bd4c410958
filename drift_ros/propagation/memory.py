"""The frames that vote: prompted ones (references) and the most recent ones, in one fixed block of
memory.

Invariants: storage never grows after the first frame; the used part is one contiguous slice, so
reading it copies nothing. References come first; they grow downwards from the middle, recent frames
upwards, until the newest takes the place of another one. Beyond that the order of entries has no
meaning for propagation. Channels are innermost, as the products and the means read them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors


class Memory:
    """Keys and soft labels of remembered frames.

    Args:
        recent: number m of recent frames, 0 or more.
        references: number of prompted frames, 1 or more.
        every: the older half of the recent frames are those whose numbers it divides.
    """

    def __init__(self, recent: int, references: int, every: int = 1) -> None:
        self._recent = recent
        self._references = references
        self._every = every
        self.clear()

    def clear(self) -> None:
        """Forget everything and release the storage."""
        self._keys: tuple[Tensor, ...] = ()
        self._labels: Tensor | None = None
        self._reference_frames: list[int] = []  # one per slot, from the middle downwards
        self._recent_frames: list[int] = []  # one per slot, from the middle upwards

    def __len__(self) -> int:
        return len(self._reference_frames) + len(self._recent_frames)

    @property
    def references(self) -> tuple[int, ...]:
        """Numbers of the reference frames, in the order in which they were added."""
        return tuple(self._reference_frames)

    @property
    def keys(self) -> tuple[Tensor, ...]:
        """(T, C_i, h_i, w_i) keys of all entries in their dtype, references first; views."""
        assert self._keys, 'the memory is empty'
        return tuple(keys[self._used] for keys in self._keys)

    @property
    def labels(self) -> Tensor:
        """(T, K, h, w) float32 soft labels of all entries, references first; a view."""
        assert self._labels is not None, 'the memory is empty'
        return self._labels[self._used]

    @property
    def frames(self) -> list[int]:
        """Frame number of each entry, in the order of `keys`."""
        return self._reference_frames[::-1] + self._recent_frames

    @property
    def _used(self) -> slice:
        middle = self._references
        return slice(middle - len(self._reference_frames), middle + len(self._recent_frames))

    def add_recent(self, frame: int, descriptors: Descriptors, labels: Tensor) -> None:
        """Remember a propagated frame; once all places are taken another recent one gives way.

        Args:
            frame: its number.
            descriptors: of the frame (n = 1), whose keys are kept.
            labels: (K, h, w) soft labels.
        """
        if not self._recent:
            return
        if len(self._recent_frames) < self._recent:
            place = len(self._recent_frames)
            self._recent_frames.append(frame)
        else:
            place = self._place_for(frame)
            self._recent_frames[place] = frame
        self._write(self._references + place, descriptors, labels)

    def _place_for(self, frame: int) -> int:
        """That of a frame which is neither new nor to stay, or else of the oldest."""
        newest = (self._recent + 1) // 2
        leaving = [n for n in self._recent_frames if n <= frame - newest and n % self._every]
        return self._recent_frames.index(max(leaving, default=min(self._recent_frames)))

    def add_reference(self, frame: int, descriptors: Descriptors, labels: Tensor) -> None:
        """Remember a prompted frame, for as long as `drop_reference` does not remove it.

        Args:
            frame: its number.
            descriptors: of the frame (n = 1), whose keys are kept.
            labels: (K, h, w) labels.
        """
        assert len(self._reference_frames) < self._references, 'no room: drop a reference first'
        self._reference_frames.append(frame)
        self._write(self._references - len(self._reference_frames), descriptors, labels)

    def replace(self, frame: int, descriptors: Descriptors) -> None:
        """Other keys for a prompted frame, whose labels stay."""
        place = self._references - 1 - self._reference_frames.index(frame)
        for stored, keys in zip(self._keys, descriptors.keys, strict=True):
            stored[place] = keys[0]

    def drop_reference(self, frame: int) -> None:
        """Forget a prompted frame."""
        place = self._reference_frames.index(frame)
        middle, last = self._references, len(self._reference_frames)
        for index in range(place, last - 1):  # close the gap, order kept
            for stored in self._storage:
                stored[middle - 1 - index] = stored[middle - 2 - index]
        del self._reference_frames[place]

    def truncate(self, frame: int) -> None:
        """Forget every entry from frame number `frame` on, so that tracking can go back to it."""
        for reference in [r for r in self._reference_frames if r >= frame]:
            self.drop_reference(reference)
        kept = sorted(
            (number, place) for place, number in enumerate(self._recent_frames) if number < frame
        )
        self._recent_frames = [number for number, _ in kept]
        middle = self._references
        for stored in self._storage if kept else ():
            source = torch.tensor([middle + place for _, place in kept], device=stored.device)
            stored[middle : middle + len(kept)] = stored[source]

    def set_classes(self, sources: Sequence[int | None]) -> None:
        """Rearrange the label channels of all entries.

        Args:
            sources: for each new channel the old one that it continues, or None for a new label
                (zeros). The mass of channels that are not continued goes to channel 0, the
                background.
        """
        if self._labels is None:
            return
        old = self._labels
        new = _empty((old.shape[0], len(sources), *old.shape[2:]), old).zero_()
        for place, source in enumerate(sources):
            if source is not None:
                new[:, place] = old[:, source]
        dropped = sorted(set(range(old.shape[1])) - set(sources))
        if dropped:
            new[:, 0] += old[:, dropped].sum(1)
        self._labels = new

    @property
    def _storage(self) -> tuple[Tensor, ...]:
        return self._keys if self._labels is None else (*self._keys, self._labels)

    def _write(self, place: int, descriptors: Descriptors, labels: Tensor) -> None:
        if self._labels is None:
            slots = self._references + self._recent
            self._keys = tuple(_empty((slots, *k.shape[1:]), k) for k in descriptors.keys)
            self._labels = _empty((slots, *labels.shape), labels, torch.float32)
        for stored, given in zip(
            self._storage, (*(keys[0] for keys in descriptors.keys), labels), strict=True
        ):
            stored[place] = given


def _empty(shape: tuple[int, ...], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """(n, C, h, w) with channels innermost, on the device of another tensor."""
    size = (shape[0], shape[2], shape[3], shape[1])
    return torch.empty(size, dtype=dtype or like.dtype, device=like.device).permute(0, 3, 1, 2)
