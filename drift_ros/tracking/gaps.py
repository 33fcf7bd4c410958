"""Frames that do not know a target, since it was looked for in vain until it was found again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

NOTHING: Mapping[int, int] = MappingProxyType({})


class Gaps:
    """From when until when targets were out of sight before they were found again.

    Frames before that may show such a target as background: from where it came back to where it was
    found. So they are taken for frames that do not know it, as those before its prompt. One gap is
    kept per target, the last one: a frame that is remembered for longer than that stays what it is.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all targets."""
        self._seen: dict[int, int] = {}
        self._gaps: dict[int, tuple[int, int]] = {}

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        self._seen = {id_: number for id_, number in self._seen.items() if id_ in ids}
        self._gaps = {id_: gap for id_, gap in self._gaps.items() if id_ in ids}

    def go_back_to(self, number: int) -> None:
        """Forget what was seen from this frame number on."""
        for id_ in [id_ for id_, (_, stop) in self._gaps.items() if stop >= number]:
            self._seen[id_] = self._gaps.pop(id_)[0] - 1
        self._seen = {id_: min(seen, number - 1) for id_, seen in self._seen.items()}

    def observe(
        self,
        number: int,
        visible: Collection[int],
        found: int | None,
        mistaken: Mapping[int, int] = NOTHING,
        instead: Mapping[int, int] = NOTHING,
    ) -> None:
        """Take in a frame.

        Args:
            number: of the frame.
            visible: ids of the targets that have a mask.
            found: id of the one that was found again in this frame.
            mistaken: id -> number of the frame from which on something else was taken for it.
            instead: likewise, of the one that was found, if something else was until now.
        """
        if found is not None and found in visible:
            seen = self._seen.get(found, number)
            if found in instead:
                since = instead[found]
                first, stop = self._gaps.get(found, (since, since))
                seen = (first if stop >= since else since) - 1
            if seen + 1 < number:
                self._gaps[found] = (seen + 1, number)
        self._seen.update(dict.fromkeys(visible, number))
        for id_, since in mistaken.items():
            first, stop = self._gaps.get(id_, (since, since))
            self._gaps[id_] = (first if stop >= since else since, number + 1)
            self._seen[id_] = self._gaps[id_][0] - 1

    def known(self, frames: Tensor, ids: Sequence[int]) -> Tensor:
        """(T, K) bool, which frames know which label; the background is known to those that know
        all targets.

        Args:
            frames: (T,) their numbers.
            ids: of the targets, in the order of their slots.
        """
        known = torch.ones((len(frames), len(ids) + 1), dtype=torch.bool)
        for slot, id_ in enumerate(ids, 1):
            if id_ in self._gaps:
                first, stop = self._gaps[id_]
                known[:, slot] = (frames < first) | (frames >= stop)
        known[:, 0] = known.all(1)
        return known
