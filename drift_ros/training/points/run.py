"""A whole training: videos in, weights out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from drift_ros.documents import read_json
from drift_ros.errors import OutputError
from drift_ros.points.judging import FACTS, PLACES
from drift_ros.points.network import PointNetwork
from drift_ros.runs.atomic import make_folder, write_text, write_whole
from drift_ros.training.points.following import Following
from drift_ros.training.points.pairs import Pairs
from drift_ros.training.points.settings import PointTraining
from drift_ros.training.points.videos import Videos, VideosByNumber

LAST = 0.02  # of the learning rate, at the end of a part
WEIGHTS, SETTINGS = 'points.safetensors', 'settings.json'
Watch = Callable[[str, int, int, dict[str, float]], None]


def train(
    folder: Path,
    settings: PointTraining,
    videos: VideosByNumber | None = None,
    watch: Watch = lambda part, step, count, means: None,
) -> PointNetwork:
    """Train, and write the weights to `points.safetensors` in a folder.

    Every draw depends on its number and the seed. A training that was stopped goes on where it was
    saved last; of the second part, what it learned from is then gathered anew.

    Args:
        folder: gets the weights, videos and checkpoints.
        settings: what is trained on what.
        videos: by number; None renders them.
        watch: called after each step with the part, its steps so far and in all, and now and then
            with mean values since they were given last, else with none.

    Raises:
        OutputError: the folder cannot be written to, or holds a training with other settings; there
            may be more `pairs` and `clips`.
    """
    make_folder(folder)
    _check(folder / SETTINGS, settings)
    torch.manual_seed(settings.seed)
    network = PointNetwork(PLACES, FACTS)
    videos = videos or Videos(folder / 'videos', settings)
    _go(folder / 'pairs.pt', settings.pairs, Pairs(network, settings, videos), settings.rate, watch)
    second = Following(network, settings, videos)
    _go(folder / 'following.pt', settings.clips, second, settings.rate, watch)
    network.load_state_dict(second.average or network.state_dict())
    weights = {name: each.half().contiguous() for name, each in network.state_dict().items()}
    write_whole(folder / WEIGHTS, lambda part: save_file(weights, part))
    return network


def _check(path: Path, settings: PointTraining) -> None:
    """Settings of the training in a folder: they are written, or must be the same."""
    now = settings.model_dump(mode='json', exclude={'pairs', 'clips'})
    if not path.is_file():
        write_text(path, json.dumps(now, indent=2))
        return
    before = read_json(path)
    if before != now:
        raise OutputError(
            f'{path.parent} holds a training with other settings, see {path.name}: give the same, '
            'or name another folder'
        )


def _go(
    path: Path,
    count: int,
    part: Pairs | Following,
    rate: float,
    watch: Watch,
) -> None:
    """Steps of one part, from its checkpoint on."""
    done = part.load(torch.load(path, weights_only=True)) if path.is_file() else 0
    means: dict[str, list[float]] = {}
    for number in range(done, count):
        share = LAST + (1 - LAST) * (1 + math.cos(math.pi * number / count)) / 2
        for group in part.optimizer.param_groups:
            group['lr'] = rate * share * min(1.0, (number + 1) / part.warm_up)
        for key, value in part.step(number).items():
            means.setdefault(key, []).append(value)
        due = (number + 1) % part.watched == 0 or number + 1 == count
        said = {key: float(np.mean(v)) for key, v in means.items()} if due else {}
        watch(path.stem, number + 1, count, said)
        if due:
            means.clear()
            state = part.state() | {'done': number + 1}
            write_whole(path, lambda to, state=state: torch.save(state, to))  # type: ignore[misc]
