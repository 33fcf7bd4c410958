"""Targets that were found again nearer or farther away than they were seen last: twins, perhaps."""

from __future__ import annotations

from collections.abc import Collection

UNSURE = 0.45  # score of the mask of one at most
BELIEVED = 120  # frames after which it is the target, if nothing else came that is it


class Tentative:
    """Which ones are."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all targets."""
        self._since: dict[int, int] = {}

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        self._since = {id_: since for id_, since in self._since.items() if id_ in ids}

    def go_back_to(self, number: int) -> None:
        """Forget those that were found from this frame number on."""
        self._since = {id_: since for id_, since in self._since.items() if since < number}

    def begin(self, target: int, number: int) -> None:
        """A target was found in a frame of that number."""
        self._since[target] = number

    def forget(self, target: int) -> None:
        """A target is out of sight, or surely there."""
        self._since.pop(target, None)

    def since(self, target: int) -> int:
        """Number of the frame in which one of them was found."""
        return self._since[target]

    def __contains__(self, target: int) -> bool:
        return target in self._since

    def score(self, target: int, score: float) -> float:
        """0..1, of a mask whose score would be `score` if its target were sure."""
        return min(score, UNSURE) if target in self else score

    def believed(self, number: int) -> list[int]:
        """Those that are believed from a frame of that number on; they are tentative no more."""
        found = [id_ for id_, since in self._since.items() if number - since >= BELIEVED]
        for target in found:
            self.forget(target)
        return found
