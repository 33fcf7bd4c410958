"""Which part of a data set is evaluated, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drift_ros.errors import SourceError
from drift_ros.paths import check_name


@dataclass(frozen=True, slots=True)
class Selection:
    """What to take of a data set; each layout reads what concerns it.

    Attributes:
        sequences: names of sequences, in order; empty: those of `list_file`, else all of the split.
        list_file: file with a name per line; `#` begins a comment.
        split: name of the split; None: the one that results are reported on.
        resolution: folder of that name, in the layout of DAVIS.
        merge: whether all objects of a sequence are taken for one, as DAVIS-2016 does.
        limit: only this many frames from the first on; None: all.
        side: of the square in px that the images of poses are brought to.
        labels: topic of the true label maps of a bag; None: the only one there is.
        image: topic of the images of a bag, likewise.
        tolerance: largest difference in s between the stamps of an image and its label map.
        truth: bag with the label maps, or folder of bags of the same names; None: the same bags.
    """

    sequences: tuple[str, ...] = ()
    list_file: Path | None = None
    split: str | None = None
    resolution: str = '480p'
    merge: bool = False
    limit: int | None = None
    side: int = 320
    labels: str | None = None
    image: str | None = None
    tolerance: float = 0.0
    truth: Path | None = None

    def names(self, present: Sequence[str]) -> list[str]:
        """Names of the sequences to take, each once: chosen ones, else all that are present.

        Raises:
            SourceError: the list cannot be read or is empty, or a name leads out of the data set
                or cannot be that of a folder.
        """
        chosen = list(self.sequences)
        if not chosen and self.list_file is not None:
            chosen = read_list(self.list_file)
        names = [check_name(name, 'the name of a sequence') for name in chosen or present]
        # 'a', 'a/' and './a' are one sequence, with one folder for its results
        return list(dict.fromkeys(str(PurePosixPath(name)) for name in names))


def read_list(path: Path) -> list[str]:
    """Names of sequences in a file, one per line.

    A line of file names, as the lists of DAVIS-2016 have, stands for the folder of the first.

    Raises:
        SourceError: the file cannot be read, or it has no names.
    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f'cannot read the list of sequences {path}: {error}') from None
    words = (line.partition('#')[0].split() for line in lines)
    firsts = [line[0] for line in words if line]
    names = [
        PurePosixPath(first).parent.name if first.lower().endswith(('.jpg', '.png')) else first
        for first in firsts
    ]
    if not names:
        raise SourceError(f'the list {path} names no sequence: expected one name per line')
    return list(dict.fromkeys(names))
