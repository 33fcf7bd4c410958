"""Which targets there are.

An id (1..254) is what users see: immutable for the life of the target and never given twice within
a generation. A slot is the target's place in label tensors: 1.. in the order in which targets were
added, recomputed when one is removed; slot 0 is the background.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import PromptError
from drift_ros.prompts.prompt import Prompt
from drift_ros.prompts.validate import MAX_ID


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its id, its name, and the number of the frame on which it was prompted."""

    id: int
    name: str
    born: int

    def __str__(self) -> str:
        return f'{self.id} ({self.name})' if self.name else str(self.id)


class Targets:
    """The live targets, in the order of their slots."""

    def __init__(self) -> None:
        self._live: list[Target] = []
        self._used: set[int] = set()

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Target]:
        return iter(self._live)

    def __contains__(self, target_id: int) -> bool:
        return any(t.id == target_id for t in self._live)

    @property
    def classes(self) -> int:
        """Number of label channels: the targets and the background."""
        return len(self._live) + 1

    @property
    def births(self) -> list[int]:
        """Frame number from which on a label is known, per slot: the background only once all
        targets are.
        """
        births = [t.born for t in self._live]
        return [max(births, default=0), *births]

    def choose_ids(self, prompts: Sequence[Prompt], keep_existing: bool) -> list[int]:
        """The ids that prompts will get, without adding them.

        The id of a live target may be named again: the prompt then takes that target's place.

        Args:
            prompts: valid ones (see `prompts.validate`).
            keep_existing: whether the present generation goes on.

        Raises:
            PromptError: an id belonged to a removed target of this generation, or there are no ids
                left.
        """
        used = set(self._used) if keep_existing else set()
        asked = [p.id for p in prompts if p.id]
        for target_id in asked:
            if target_id in used and target_id not in self:
                raise PromptError(
                    f'prompt id {target_id} was used before in this generation: use another id (0: '
                    'the next free one), or start a new generation with keep_existing = false'
                )
        free = iter(i for i in range(1, MAX_ID + 1) if i not in used and i not in asked)
        ids = []
        for prompt in prompts:
            target_id = prompt.id or next(free, 0)
            if not target_id:
                raise PromptError(
                    f'no id is left: all of 1..{MAX_ID} were given in this generation; start a new '
                    'one with keep_existing = false'
                )
            ids.append(target_id)
        return ids

    def put(self, targets: Sequence[Target]) -> list[int | None]:
        """Add targets, or let them take the place of live ones, with ids from `choose_ids`.

        A target without a name keeps the name that its id had.

        Returns:
            For each slot the old slot that it continues, or None if its target is new.
        """
        new = {t.id: t for t in targets}
        continued: list[int | None] = [0]
        for slot, old in enumerate(self._live, 1):
            continued.append(None if old.id in new else slot)
            if old.id in new:
                named = new.pop(old.id)
                self._live[slot - 1] = replace(named, name=named.name or old.name)
        self._live += new.values()
        self._used.update(new)
        return continued + [None] * len(new)

    def rename(self, names: Mapping[int, str]) -> None:
        """Give targets other names.

        Raises:
            PromptError: an id is not tracked; nothing changes then.
        """
        self._check(list(names))
        self._live = [replace(t, name=names.get(t.id, t.name)) for t in self._live]

    def remove(self, ids: Sequence[int]) -> list[int]:
        """Remove targets.

        Returns:
            The slots that stay, background included, in order.

        Raises:
            PromptError: an id is not tracked; nothing is removed then.
        """
        self._check(ids)
        stay = [0, *(slot for slot, t in enumerate(self._live, 1) if t.id not in ids)]
        self._live = [t for t in self._live if t.id not in ids]
        return stay

    def _check(self, ids: Sequence[int]) -> None:
        unknown = [i for i in ids if i not in self]
        if unknown or not ids:
            tracked = ', '.join(str(t.id) for t in self._live) or 'none'
            what = f'id {unknown[0]} is not tracked' if unknown else 'no id was named'
            raise PromptError(f'{what}; tracked ids are: {tracked}')

    def clear(self) -> None:
        """Forget all targets and all used ids; a new generation begins."""
        self._live.clear()
        self._used.clear()

    def to_ids(self, slots: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label map of slots -> label map of ids."""
        table = np.zeros(256, np.uint8)
        table[1 : self.classes] = [t.id for t in self._live]
        return cv2.LUT(slots, table)

    def to_slots(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label map of ids -> label map of slots; ids that are not tracked become background."""
        table = np.zeros(256, np.uint8)
        for slot, target in enumerate(self._live, 1):
            table[target.id] = slot
        return cv2.LUT(labels, table)
