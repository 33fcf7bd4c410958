"""One step after the other, and everything needed to go on after a pause."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.runs.atomic import write_whole
from drift_ros.training.data import TrackedClip, stacked
from drift_ros.training.objective import denoising_errors, matching_loss, noised
from drift_ros.training.settings import TrainingSettings

LOSSES = ('denoising', 'matching')
Losses = dict[str, float]
SHARPNESS = 18.0  # of the softmax over cells at the start, 1 / temperature
SPREAD = 0.3  # standard deviation of the log of the signal-to-noise ratio in matching
PAIRS = 5  # of frames that are matched, per clip and step


class Trainer:
    """The network, its optimiser and the moving average of its weights.

    A step depends on the seed, the number of the step and the share of the training that is over,
    and on nothing else, so a training that is saved and loaded goes on as if it had not paused.
    """

    def __init__(self, settings: TrainingSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.step_number = 0
        self.seconds = 0.0  # spent in steps, pauses aside
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = EmbeddedUNet(**settings.network.model_dump())
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.average = EMAModel(self.network.parameters(), decay=settings.decay, foreach=True)
        self.sharpness = torch.nn.Parameter(torch.tensor(SHARPNESS, device=device).log())
        self._optimiser = torch.optim.AdamW(
            [*self.network.parameters(), self.sharpness],
            lr=settings.rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=device.type == 'cuda',
        )
        self._run = torch.compile(self.network) if settings.compile else self.network

    def start_from(self, model: EmbeddedUNet) -> int:
        """Take over the weights of another model where name and shape agree, before the first step.

        Returns:
            How many tensors agree.
        """
        own = self.network.state_dict()
        given = {
            name: tensor
            for name, tensor in model.state_dict().items()
            if name in own and own[name].shape == tensor.shape
        }
        self.network.load_state_dict(given, strict=False)
        self.average = EMAModel(self.network.parameters(), decay=self.settings.decay, foreach=True)
        return len(given)

    def step(self, clips: Sequence[TrackedClip], progress: float) -> Losses:
        """Learn from a batch.

        Args:
            progress: share of the training that is over, 0..1.
        """
        losses = self._losses(clips)
        for group in self._optimiser.param_groups:
            group['lr'] = self.rate(progress)
        weights = dict(zip(LOSSES, self.settings.weights, strict=True))
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self._optimiser.step()
        self.average.step(self.network.parameters())
        self.step_number += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, clips: Sequence[TrackedClip]) -> dict[str, Tensor]:
        settings = self.settings
        generator = torch.Generator(self.device).manual_seed(
            settings.seed * 2**32 + self.step_number
        )
        choices = torch.Generator().manual_seed(settings.seed * 2**32 + self.step_number)
        only_denoise, alone = (
            bool(torch.rand((), generator=choices) < share)
            for share in (settings.denoising, settings.alone)
        )
        batch = stacked(clips).to(self.device)
        images = batch.images
        count, frames = images.shape[:2]
        if only_denoise:
            place = torch.rand(count, 1, generator=generator, device=self.device)
            level = settings.lowest + (settings.highest - settings.lowest) * place
        else:
            place = torch.randn(count, 1, generator=generator, device=self.device)
            level = math.log(settings.snr) + SPREAD * place
        noisy = noised(images, level.expand(count, frames), generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == 'cuda'):
            outputs = self._run(noisy.noisy, noisy.log_snr, join=not alone)
        losses = {'denoising': denoising_errors(outputs.clean, noisy).mean()}
        if only_denoise:
            return losses
        order = torch.rand(count, PAIRS, frames, generator=choices).argsort(2)
        losses['matching'] = matching_loss(
            outputs.descriptors,
            batch,
            order[..., :2].to(self.device),
            (-self.sharpness).exp(),
            choices,
        )
        return losses

    def rate(self, progress: float) -> float:
        """Learning rate of the next step: a linear rise, a plateau, the fall of a cosine."""
        settings = self.settings
        rise = min(1.0, (self.step_number + 1) / max(1, settings.warm_up))
        falling = (progress - 1 + settings.cool_down) / max(settings.cool_down, 1e-9)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, falling))))
        return settings.rate * rise * fall

    def averaged(self) -> EmbeddedUNet:
        """A copy of the network with the averaged weights, ready for use."""
        copy = EmbeddedUNet.from_config(self.network.config)
        copy.load_state_dict(self.network.state_dict())
        self.average.copy_to(copy.parameters())
        return copy.to(self.device, memory_format=torch.channels_last).eval()

    def save(self, path: Path) -> None:
        """Write the whole state; it replaces an older file only when it is complete.

        Raises:
            OutputError: it cannot be written.
        """
        state = {
            'settings': self.settings.model_dump(mode='json'),
            'step': self.step_number,
            'seconds': self.seconds,
            'network': self.network.state_dict(),
            'average': self.average.state_dict(),
            'sharpness': self.sharpness.detach(),
            'optimiser': self._optimiser.state_dict(),
        }
        write_whole(path, lambda part: torch.save(state, part))

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: it cannot be read, or was made with other settings.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
            known = TrainingSettings.model_validate(state['settings'])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as e:
            raise CheckpointError(
                f'cannot go on from {path} ({type(e).__name__}: {e}): start a new training in '
                'another folder'
            ) from None
        changed = sorted(_changed(known, self.settings))
        if changed:
            raise CheckpointError(
                f'{path} was trained with another {", ".join(changed)}: give the same settings, or '
                'start a new training in another folder'
            )
        self.network.load_state_dict(state['network'])
        self.average.load_state_dict(state['average'])
        self.average.to(self.device)
        with torch.no_grad():
            self.sharpness.copy_(state['sharpness'])
        self._optimiser.load_state_dict(state['optimiser'])
        self.step_number = state['step']
        self.seconds = state['seconds']


def _changed(old: TrainingSettings, new: TrainingSettings) -> Iterator[str]:
    """Names of the settings that differ and matter for going on."""
    for name in TrainingSettings.model_fields:
        if name not in ('workers', 'compile') and getattr(old, name) != getattr(new, name):
            yield name
