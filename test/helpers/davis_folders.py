"""Small folders in the layouts of DAVIS and YouTube-VOS: squares of plain colours that move."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.io.writers import save_labels

HEIGHT, WIDTH = 48, 64
COLOURS = {0: (30, 160, 60), 1: (230, 20, 20), 2: (20, 20, 230), 3: (240, 220, 40)}


def labels_at(index: int, ids: Sequence[int] = (1, 2)) -> NDArray[np.uint8]:
    """Squares of 12 px, one above the other; odd ids go right, even ones left, by 1 px."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, id_ in enumerate(ids):
        left = 8 + index if id_ % 2 else WIDTH - 20 - index
        labels[2 + 15 * place : 14 + 15 * place, left : left + 12] = id_
    return labels


def image_of(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = np.zeros((*labels.shape, 3), np.uint8)
    for id_, colour in COLOURS.items():
        image[labels == id_] = colour
    return image


def save_image(file: Path, image: NDArray[np.uint8]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file, quality=95, subsampling=0)


def save_annotation(file: Path, labels: NDArray[np.uint8]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_labels(file, labels)


def davis_folder(
    root: Path,
    names: Sequence[str] = ('boxes', 'more'),
    frames: int = 6,
    ids: Sequence[int] = (1, 2),
) -> Path:
    """A DAVIS-2017 folder whose `val` split is all of the sequences."""
    for name in names:
        for index in range(frames):
            labels = labels_at(index, ids)
            save_image(image_file(root, name, index), image_of(labels))
            save_annotation(annotation_file(root, name, index), labels)
    sets = root / 'ImageSets' / '2017'
    sets.mkdir(parents=True)
    (sets / 'val.txt').write_text(''.join(f'{name}\n' for name in names))
    return root


def image_file(root: Path, name: str, index: int) -> Path:
    return root / 'JPEGImages' / '480p' / name / f'{index:05d}.jpg'


def annotation_file(root: Path, name: str, index: int) -> Path:
    return root / 'Annotations' / '480p' / name / f'{index:05d}.png'


def youtube_folder(
    root: Path,
    name: str = 'late',
    frames: int = 16,
    begins: Mapping[int, int] | None = None,
    meta: bool = False,
) -> Path:
    """Annotated on every fifth frame; objects are there from the given frames on."""
    begins = begins or {1: 0, 2: 5}
    for index in range(frames):
        labels = labels_at(index, [id_ for id_, begin in begins.items() if begin <= index])
        save_image(root / 'JPEGImages' / name / f'{index:05d}.jpg', image_of(labels))
        if index % 5 == 0:
            save_annotation(root / 'Annotations' / name / f'{index:05d}.png', labels)
    if meta:
        objects = {
            str(id_): {
                'category': f'kind {id_}',
                'frames': [f'{i:05d}' for i in range(begin, frames, 5)],
            }
            for id_, begin in begins.items()
        }
        (root / 'meta.json').write_text(json.dumps({'videos': {name: {'objects': objects}}}))
    return root
