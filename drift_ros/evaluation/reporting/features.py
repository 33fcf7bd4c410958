"""Pictures of what the extractor saw in each sequence, for the report."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

from drift_ros import features
from drift_ros.errors import DriftError
from drift_ros.evaluation.places import sequence_folder
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.io.writers import save_picture
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.visualization.feature_pairs import pair_picture, widest_pair

PICTURE = 'pca.png'


def write_feature_pictures(
    folder: Path, sequences: Iterable[AnnotatedSequence], settings: TrackerSettings
) -> None:
    """Write `sequences/<name>/pca.png`: the ends of the first window and their features.

    Sequences without results or with unreadable frames are left out, and so are those that have a
    picture.

    Raises:
        OutputError: a picture cannot be written.
        DriftError: the extractor cannot be made.
    """
    places = [
        (sequence, sequence_folder(folder, sequence.name) / PICTURE) for sequence in sequences
    ]
    wanted = [(s, place) for s, place in places if place.parent.is_dir() and not place.exists()]
    if not wanted:
        return
    extractor = features.create(settings.features)
    for original, place in wanted:
        sequence = copy.copy(original)  # what it keeps to read faster goes with it
        try:
            last = widest_pair(extractor, settings, len(sequence.frames))
            frames = {
                i: Frame(sequence.image(i), sequence.stamps[i], sequence.name, i)
                for i in range(last + 1)
            }
            picture = pair_picture(frames, 0, last, extractor, settings)
        except DriftError:
            continue  # the evaluation reports it
        save_picture(place, picture)
