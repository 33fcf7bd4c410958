"""A whole training: videos in, weights out."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW
from torch.utils.data import DataLoader, Dataset

from drift_ros.documents import read_json
from drift_ros.errors import OutputError
from drift_ros.recognition.network import RecognitionNetwork, Verdict
from drift_ros.runs.atomic import make_folder, write_text, write_whole
from drift_ros.training.data import NumbersFrom, single_threaded
from drift_ros.training.recognition.pairs import OTHERS, Pairs, Pool
from drift_ros.training.recognition.settings import RecognitionTraining
from drift_ros.training.recognition.views import ObjectViews, Videos

WEIGHTS, STATE, SETTINGS = 'recognition.safetensors', 'state.pt', 'settings.json'
VIEWS = 25  # per video that there is room for
DECAY = 0.999  # of the mean of the weights, per step
SAVED = 1000  # steps from one checkpoint to the next
SAID = 100  # steps of which mean losses are given
HELD_OUT = 100  # videos for choosing, of which results are given
TOGETHER = 64  # pairs of which are judged at a time
JUDGED = 1024  # pairs of these
FREE = ('steps', 'workers', 'videos')  # settings that may change when a training goes on
Watch = Callable[[int, dict[str, float]], None]
VideosByNumber = Dataset[ObjectViews | None]


def train(
    folder: Path,
    settings: RecognitionTraining,
    device: torch.device,
    start: Path | None = None,
    videos: VideosByNumber | None = None,
    held_out: VideosByNumber | None = None,
    watch: Watch = lambda step, means: None,
) -> dict[str, float]:
    """Train, and write the weights to `recognition.safetensors` in a folder.

    A training that was stopped goes on where it was saved last.

    Args:
        folder: gets the weights and checkpoints.
        settings: what is trained on what.
        device: where.
        start: file of weights to begin with.
        videos, held_out: views by number, to learn from and to judge by; None renders them.
        watch: called after each step with their number, and now and then with mean losses since
            they were given last, else with none.

    Returns:
        What `judge` says on videos held out.

    Raises:
        OutputError: the folder cannot be written to, or holds a training with other settings.
    """
    make_folder(folder)
    _check(folder / SETTINGS, settings)
    torch.manual_seed(settings.seed)
    network = RecognitionNetwork()
    if start:
        network.load_state_dict(load_file(start))
    trainer = _Trainer(network.to(device), settings)
    if (folder / STATE).is_file():
        trainer.load(torch.load(folder / STATE, map_location=device, weights_only=True))
    stream = _stream(videos or Videos(settings.seed), settings.workers)
    pool = Pool(settings.videos * VIEWS, device)
    entered = min(settings.first + trainer.done, settings.videos)
    _fill(pool, stream, entered)
    means: dict[str, list[Tensor]] = {}
    while trainer.done < settings.steps:
        if entered < settings.videos:
            _fill(pool, stream, 1)
            entered += 1
        for key, value in trainer.step(pool).items():
            means.setdefault(key, []).append(value)
        due = trainer.done % SAID == 0 or trainer.done == settings.steps
        said = {k: float(torch.stack(v).mean()) for k, v in means.items()} if due else {}
        watch(trainer.done, said)
        if due:
            means.clear()
        if trainer.done % SAVED == 0 or trainer.done == settings.steps:
            trainer.save(folder)
    del stream
    held_out = held_out or Videos(settings.seed, 'val')
    return judge(trainer.averaged(), held_out, device, settings.workers)


@torch.no_grad()
def judge(
    network: RecognitionNetwork, videos: VideosByNumber, device: torch.device, workers: int = 0
) -> dict[str, float]:
    """How good a network is on pairs of videos held out, nothing varied.

    Returns:
        `area`: probability that of two pairs the one is said to show the target that does;
        `scale`: mean absolute error of its log where all of the target is seen; `sure`: the same of
        the half with the smaller deviations; `overlap`: mean IoU of its mask.
    """
    pool = Pool(HELD_OUT * VIEWS, device)
    _fill(pool, _stream(videos, workers), HELD_OUT)
    rng = np.random.default_rng(0)
    columns: list[tuple[Tensor, ...]] = []
    for _ in range(-(-JUDGED // TOGETHER)):
        pairs = pool.draw(TOGETHER, rng, vary=False)
        verdict = compare(network, pairs)
        mine, true = verdict.mask > 0, pairs.mask > 0.5
        overlap = (mine & true).sum((1, 2)) / (mine | true).sum((1, 2)).clamp(min=1)
        error = (verdict.scale - pairs.scale).abs()
        whole = pairs.measured & (pairs.share >= 0.92)
        columns.append((verdict.shown, pairs.shown > 0, error, verdict.deviation, overlap, whole))
    shown, truth, error, deviation, overlap, whole = map(torch.cat, zip(*columns, strict=True))
    ahead = (shown[truth][:, None] > shown[~truth]).float().mean()
    error, deviation = error[whole], deviation[whole]
    sure = error[deviation <= deviation.median()]
    values = (ahead, error.mean(), sure.mean(), overlap[truth].mean())
    return dict(zip(('area', 'scale', 'sure', 'overlap'), map(float, values), strict=True))


def compare(network: RecognitionNetwork, pairs: Pairs) -> Verdict:
    """What a network says about B pairs."""
    known = [
        (keys.repeat_interleave(OTHERS, 0), values.repeat_interleave(OTHERS, 0))
        for keys, values in network.know(pairs.known)
    ]
    return network(known, pairs.other)


def losses(verdict: Verdict, pairs: Pairs) -> dict[str, Tensor]:
    """By name: of what is shown (cross entropy), of its mask (cross entropy and Dice), of its scale
    (absolute error), and of the deviation of that (likelihood of Laplace's distribution).
    """
    shown = functional.binary_cross_entropy_with_logits(verdict.shown, pairs.shown)
    each = functional.binary_cross_entropy_with_logits(verdict.mask, pairs.mask, reduction='none')
    mine, true = verdict.mask.sigmoid(), pairs.mask
    both, all_of_them = (mine * true).sum((1, 2)), mine.sum((1, 2)) + true.sum((1, 2))
    dice = 1 - (2 * both + 1) / (all_of_them + 1)
    mask = each.mean() + 0.5 * (dice * pairs.shown).mean()
    error = (verdict.scale - pairs.scale).abs()
    likelihood = verdict.deviation + error * (-verdict.deviation).exp()
    counted, count = pairs.measured.float(), pairs.measured.sum().clamp(min=1)
    return {
        'shown': shown,
        'mask': mask,
        'scale': (error * counted).sum() / count,
        'deviation': (likelihood * counted).sum() / count,
    }


WEIGHT = {'shown': 1.0, 'mask': 2.0, 'scale': 4.0, 'deviation': 0.5}


class _Trainer:
    def __init__(self, network: RecognitionNetwork, settings: RecognitionTraining) -> None:
        self._settings = settings
        self._network = network.train()
        self._device = network.places.device
        self._average = EMAModel(network.parameters(), decay=DECAY, foreach=True)
        self._optimizer = AdamW(
            network.parameters(), settings.rate, betas=(0.9, 0.98), weight_decay=0.02
        )
        self.done = 0

    def step(self, pool: Pool) -> dict[str, Tensor]:
        """Learn from some pairs; gives the losses."""
        settings, number = self._settings, self.done
        share = (1 + math.cos(math.pi * number / settings.steps)) / 2
        for group in self._optimizer.param_groups:
            group['lr'] = settings.rate * share * min(1.0, (number + 1) / (settings.warm_up + 1))
        pairs = pool.draw(settings.batch, np.random.default_rng([settings.seed, number]))
        with torch.autocast(self._device.type, torch.bfloat16, self._device.type == 'cuda'):
            found = compare(self._network, pairs)
        parts = losses(found, pairs)
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack([WEIGHT[name] * loss for name, loss in parts.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._average.step(self._network.parameters())
        self.done += 1
        return {name: loss.detach() for name, loss in parts.items()}

    def averaged(self) -> RecognitionNetwork:
        """A copy of the network with the mean of the weights of the newest steps."""
        network = copy.deepcopy(self._network).eval()
        self._average.copy_to(network.parameters())
        return network

    def save(self, folder: Path) -> None:
        """Write the state and the weights."""
        state = {
            'network': self._network.state_dict(),
            'average': self._average.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'done': self.done,
        }
        write_whole(folder / STATE, lambda part: torch.save(state, part))
        weights = {k: v.half().cpu().contiguous() for k, v in self.averaged().state_dict().items()}
        write_whole(folder / WEIGHTS, lambda part: save_file(weights, part))

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._network.load_state_dict(state['network'])
        self._average.load_state_dict(state['average'])
        self._average.to(self._device)
        self._optimizer.load_state_dict(state['optimizer'])
        self.done = int(state['done'])


def _check(path: Path, settings: RecognitionTraining) -> None:
    """Settings of the training in a folder: they are written, or must be the same."""
    now = settings.model_dump(mode='json', exclude=set(FREE))
    if not path.is_file():
        write_text(path, json.dumps(now, indent=2))
    elif read_json(path) != now:
        raise OutputError(
            f'{path.parent} holds a training with other settings, see {path.name}: give the same, '
            'or name another folder'
        )


def _stream(videos: VideosByNumber, workers: int) -> Iterator[ObjectViews | None]:
    loader = DataLoader(
        videos,
        batch_size=None,
        sampler=NumbersFrom(0),
        num_workers=workers,
        worker_init_fn=single_threaded,
        multiprocessing_context='spawn' if workers else None,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def _fill(pool: Pool, stream: Iterator[ObjectViews | None], count: int) -> None:
    for _ in range(count):
        views = next(stream)
        if views is not None:
            pool.add(views)
