"""Results in Rerun: frames, truth, labels and scores on one time axis, live or as a recording."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from drift_ros.errors import DriftError, OutputError
from drift_ros.evaluation.places import sequence_folder
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.evaluation.reporting.reading import read_score
from drift_ros.evaluation.running import Watcher
from drift_ros.evaluation.scores import SequenceScore
from drift_ros.pictures import read_values
from drift_ros.visualization.overlay import colour_of, title

SPAWN = 'spawn'
QUALITY = 80  # of the frames, which are kept as JPEG


class RerunLog:
    """Shows sequences in the viewer, or writes them to a recording that it can open.

    Each sequence has `frame`, `frame/truth`, `frame/result`, and `J/<object>`, `F/<object>` in
    percent, over the timelines `frame` (number) and `time` (since its first frame).

    Args:
        destination: `spawn` for a viewer on this machine, or the path of an .rrd file.

    Raises:
        OutputError: Rerun is not installed, or the file cannot be written.
    """

    def __init__(self, destination: str) -> None:
        self._rerun = _import()
        self._stream: Any = self._rerun.RecordingStream('drift_ros')
        self._tabs: list[Any] = []
        if destination == SPAWN:
            self._stream.spawn()
            return
        path = Path(destination).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise OutputError(f'cannot write the recording {path}: {error}') from None
        self._stream.save(path)

    def log(self, sequence: AnnotatedSequence, score: SequenceScore, labels: Path) -> None:
        """Add a sequence that is done.

        Args:
            sequence: gives frames and truth; what cannot be read is left out.
            labels: folder with its label maps, <frame>.png.
        """
        rerun, stream, name = self._rerun, self._stream, self._path(sequence.name)
        classes = [
            (id_, title(id_, text), colour_of(id_)) for id_, text in sequence.objects.items()
        ]
        context = rerun.AnnotationContext([(0, 'background', (0, 0, 0, 0)), *classes])
        stream.log(name, context, static=True)
        self._arrange(name, sequence.name)
        known = {*sequence.scored, *sequence.given}
        for index, frame in enumerate(sequence.frames):
            stream.set_time('frame', sequence=index)
            stream.set_time('time', duration=(sequence.stamps[index] - sequence.stamps[0]) / 1e9)
            try:
                image = rerun.Image(sequence.image(index)).compress(jpeg_quality=QUALITY)
                stream.log(f'{name}/frame', image)
                if index in known:
                    truth = rerun.SegmentationImage(sequence.truth(index))
                    stream.log(f'{name}/frame/truth', truth)
            except DriftError:
                pass  # the evaluation reports it
            place = labels / f'{frame}.png'
            if place.is_file():
                found = read_values(place).pixels.astype(np.uint8)
                stream.log(f'{name}/frame/result', rerun.SegmentationImage(found))
        self._scores(name, sequence, score)

    def close(self) -> None:
        """Write what is still in memory."""
        self._stream.flush()
        self._stream.disconnect()

    def _path(self, name: str) -> str:
        """A name, of which slashes make levels, as part of a path."""
        return '/'.join(map(self._rerun.escape_entity_path_part, name.split('/')))

    def _scores(self, name: str, sequence: AnnotatedSequence, score: SequenceScore) -> None:
        stamps = sequence.stamps
        for obj in score.objects:
            text = title(obj.id, obj.name)
            for measure, values in (('J', obj.j), ('F', obj.f)):
                path = f'{name}/{measure}/{self._path(text)}'
                style = self._rerun.SeriesLines(colors=[colour_of(obj.id)], names=[text])
                self._stream.log(path, style, static=True)
                for index, value in zip(obj.frames, values, strict=True):
                    self._stream.set_time('frame', sequence=index)
                    self._stream.set_time('time', duration=(stamps[index] - stamps[0]) / 1e9)
                    self._stream.log(path, self._rerun.Scalars(100 * value))

    def _arrange(self, name: str, title: str) -> None:
        """A tab per sequence: truth and result above J and F."""
        from rerun import blueprint

        def seen(kind: str) -> Any:
            contents = ['$origin', f'$origin/{kind}']
            return blueprint.Spatial2DView(origin=f'{name}/frame', contents=contents, name=kind)

        def plotted(measure: str) -> Any:
            return blueprint.TimeSeriesView(origin=f'{name}/{measure}', name=f'{measure} [%]')

        above = blueprint.Horizontal(seen('truth'), seen('result'))
        below = blueprint.Horizontal(plotted('J'), plotted('F'))
        self._tabs.append(blueprint.Vertical(above, below, row_shares=[3, 2], name=title))
        self._stream.send_blueprint(blueprint.Blueprint(blueprint.Tabs(*self._tabs)))


class RerunWatcher(Watcher):
    """Passes on how far an evaluation is, and logs each sequence when it is done.

    Args:
        watcher: called with the progress.
        folder: of the evaluation. What is done there from before is logged first.
    """

    def __init__(
        self,
        watcher: Watcher,
        log: RerunLog,
        sequences: Iterable[AnnotatedSequence],
        folder: Path,
    ) -> None:
        self._watcher, self._log, self._folder = watcher, log, folder
        self._sequences = {sequence.name: sequence for sequence in sequences}

    def begin(self, done: int, count: int) -> None:
        """How many sequences were done before, and how many there are."""
        self._watcher.begin(done, count)
        for name in self._sequences:
            if (sequence_folder(self._folder, name) / 'score.json').is_file():
                score = read_score(self._folder, name)
                if score is not None:
                    self._add(score)

    def frame(self, name: str, done: int, count: int) -> None:
        """How far a sequence is."""
        self._watcher.frame(name, done, count)

    def done(self, name: str, found: Any) -> None:
        """What came of a sequence."""
        self._watcher.done(name, found)
        if isinstance(found, SequenceScore):
            self._add(found)

    def _add(self, score: SequenceScore) -> None:
        labels = sequence_folder(self._folder, score.name) / 'labels'
        sequence = copy.copy(self._sequences[score.name])  # what it keeps goes with it
        self._log.log(sequence, score, labels)


def _import() -> ModuleType:
    try:
        import rerun
    except ImportError:
        raise OutputError(
            '--rerun needs the package rerun-sdk, which is not installed: pip install '
            "'drift_ros[rerun]'"
        ) from None
    return rerun
