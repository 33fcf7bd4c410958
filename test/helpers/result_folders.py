"""Folders as an evaluation leaves them, made by hand with numbers that are known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.evaluation.scores import ObjectScore, SequenceScore
from drift_ros.settings import TrackerSettings, flatten
from drift_ros.visualization.palette import PALETTE

SIZE = (48, 64)
Scores = Mapping[str, Sequence[tuple[float, float]]]  # sequence -> J and F of each object


@dataclass(frozen=True)
class Boxes:
    """A sequence of one box per object, which moves by a pixel per frame."""

    name: str
    count: int
    objects: Mapping[int, str]
    length: int = 6

    @property
    def frames(self) -> list[str]:
        return [f'{i:05d}' for i in range(self.length)]

    @property
    def stamps(self) -> list[int]:
        return [i * 10**8 for i in range(self.length)]

    @property
    def given(self) -> dict[int, tuple[int, ...]]:
        return {0: tuple(self.objects)}

    @property
    def scored(self) -> list[int]:
        return list(range(1, self.length - 1))

    def image(self, index: int) -> NDArray[np.uint8]:
        ramp = np.linspace(40, 200, SIZE[1]).astype(np.uint8)
        image = np.repeat(np.repeat(ramp[None, :, None], SIZE[0], 0), 3, 2)
        return np.where(self.truth(index)[..., None] > 0, 255 - image, image).astype(np.uint8)

    def truth(self, index: int) -> NDArray[np.uint8]:
        labels = np.zeros(SIZE, np.uint8)
        for id_ in self.objects:
            labels[id_ * 12 : id_ * 12 + 10, 5 + index : 20 + index] = id_
        return labels


def boxes(name: str, count: int) -> Boxes:
    return Boxes(name, count, {i + 1: f'box{i + 1}' for i in range(count)})


def write_results(
    folder: Path,
    scores: Scores,
    refused: Mapping[str, str] | None = None,
    seconds: float = 0.25,
    memory: int = 2**30,
    settings: Mapping[str, Any] | None = None,
    **extra: Any,
) -> Path:
    """Results whose objects have the same J and F in every frame but frame 3, which has half."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, objects in scores.items():
        sequence = boxes(name, len(objects))
        rows = {
            str(i + 1): {'name': f'box{i + 1}', 'J': j, 'F': f, 'J&F': (j + f) / 2, 'switches': 0}
            for i, (j, f) in enumerate(objects)
        }
        entries[name] = {
            **{key: float(np.mean([r[key] for r in rows.values()])) for key in ('J&F', 'J', 'F')},
            'objects': rows,
            'frames': sequence.length,
            'seconds_per_frame': seconds,
            'memory': memory,
            'device_memory': None,
            'switches': 0,
        }
        _write_sequence(folder / 'sequences' / name, sequence, objects, seconds, memory)
    every = [obj for entry in entries.values() for obj in entry['objects'].values()]
    mean = {k: float(np.mean([o[k] for o in every])) for k in ('J&F', 'J', 'F') if every}
    for name, reason in (refused or {}).items():
        place = folder / 'sequences' / name / 'score.json'
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps({'name': name, 'refused': reason}))
    record = {
        'mean': mean,
        'sequences': entries,
        'refused': dict(refused or {}),
        'count': [len(entries), len(entries) + len(refused or {})],
        'settings': flatten(TrackerSettings()) | {'features.name': 'patch'} | dict(settings or {}),
        'machine': {'processor': 'Known CPU', 'cores': '2'},
        'versions': {'drift_ros': '0.1.0'},
        'dataset': {'layout': 'davis', 'path': 'clips'},
        'method': 'patch',
        'preset': None,
    }
    (folder / 'results.json').write_text(json.dumps(record | extra))
    return folder


def _write_sequence(
    folder: Path,
    sequence: Boxes,
    objects: Sequence[tuple[float, float]],
    seconds: float,
    memory: int,
) -> None:
    (folder / 'labels').mkdir(parents=True)
    frames = tuple(sequence.scored)
    found = [
        ObjectScore(
            i + 1,
            f'box{i + 1}',
            frames,
            tuple(j / 2 if n == 3 else j for n in frames),
            tuple(f / 2 if n == 3 else f for n in frames),
            tuple(i + 1 for _ in frames),
            tuple(0.9 for _ in frames),
        )
        for i, (j, f) in enumerate(objects)
    ]
    score = SequenceScore(
        sequence.name,
        SIZE,
        sequence.length,
        tuple(found),
        seconds=seconds * sequence.length,
        memory=memory,
    )
    (folder / 'score.json').write_text(json.dumps(dataclasses.asdict(score)))
    for index, frame in enumerate(sequence.frames):
        image = Image.fromarray(np.roll(sequence.truth(index), 3, 1))
        image.putpalette(PALETTE.tobytes())
        image.save(folder / 'labels' / f'{frame}.png')
