"""Annotated videos, in the layouts that benchmarks use.

A layout is a function in a file of its own, entered below: it gets the place and what to take of
it, and gives sequences, or why one cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.evaluation.scores import Refusal

LAYOUTS = {
    'davis': 'davis:open_davis',
    'youtube-vos': 'youtube_vos:open_youtube_vos',
    'kubric-similar': 'kubric_similar:open_kubric_similar',
    'jhmdb': 'jhmdb:open_jhmdb',
    'bag': 'bag:open_bags',
}
"""Layout -> module in this package and function `(path, selection) -> sequences and refusals`."""

Open = Callable[[Path, Selection], Sequence['AnnotatedSequence | Refusal']]


@dataclass(frozen=True, slots=True)
class DataSet:
    """Annotated sequences.

    Attributes:
        sequences: in order, with those that cannot be used.
    """

    layout: str
    path: Path
    sequences: tuple[AnnotatedSequence | Refusal, ...]
    selection: Selection

    @property
    def usable(self) -> tuple[AnnotatedSequence, ...]:
        """The sequences that were not refused."""
        return tuple(s for s in self.sequences if not isinstance(s, Refusal))

    @property
    def facts(self) -> Mapping[str, Any]:
        """Its entry in results."""
        chosen = {f.name: getattr(self.selection, f.name) for f in fields(self.selection)}
        del chosen['sequences'], chosen['list_file']  # the names of the sequences say that
        truth = self.selection.truth
        chosen['truth'] = None if truth is None else str(truth)
        return {'layout': self.layout, 'path': str(self.path), **chosen}


def open_dataset(layout: str, path: str | Path, selection: Selection | None = None) -> DataSet:
    """Open a data set.

    Args:
        path: the place; of `kubric-similar` the name of a set.
        selection: what to take of it; None: all that results are reported on.

    Raises:
        SourceError: no such layout, the place is not laid out like that, or it has no sequences.
        DriftError: likewise, as the layout says.
    """
    if layout not in LAYOUTS:
        raise SourceError(f'unknown layout {layout!r}; there are: {", ".join(LAYOUTS)}')
    module, _, function = LAYOUTS[layout].partition(':')
    read = cast(Open, getattr(import_module(f'{__name__}.{module}'), function))
    path, selection = Path(path).expanduser(), selection or Selection()
    sequences = tuple(read(path, selection))
    if not sequences:
        raise SourceError(f'{path} has no sequences in the layout {layout}')
    return DataSet(layout, path, sequences, selection)
