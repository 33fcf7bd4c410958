"""What every feature extractor offers: frames in, descriptors of their cells out.

An extractor is weights and settings, which any number of streams may share. What belongs to one
stream, such as the latents of frames that the next window shows again, or keys and values of
earlier frames, lives in a session.

There are two kinds, and callers need not know which one they have:

- A windowed extractor describes the frames of a window together. Its sessions are shown windows
  that may overlap, and what they keep only saves work.
- A streaming extractor (`streaming`) is causal: a frame depends on itself and on earlier frames,
  which its sessions remember. They are shown every frame once, in order, so the result of a frame
  comes with the frame, and whoever wants it again has to keep it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive frames that an extractor sees together.

    Attributes:
        images: (d, 3, H, W) uint8 RGB on the extractor's device; H and W are multiples of its
            `size_multiple`.
        stamps: stamp of each frame in ns, rising; within a session it names the frame.
        new: number of newest frames whose descriptors are asked for, 1 to d; the ones before are
            temporal context only.
    """

    images: Tensor
    stamps: tuple[int, ...]
    new: int


class FeatureExtractor(ABC):
    """Turns frames into descriptors; holds nothing of any stream.

    Invariants: descriptors depend only on the frames that were shown and the seed. Everything runs
    without gradients on `device`.

    Attributes:
        name: name in the registry.
        window_length: frames that the model was made to see together: of a window, or that a
            streaming session remembers, the newest included; 1 for single-image extractors.
        size_multiple: H and W must be multiples of this.
        device: where it runs.
        dtype: its number format.
        streaming: whether sessions take each frame once and remember.
        reentrant: whether threads may use several sessions at once, and it takes long enough for
            that to pay; those of a streaming one they may in any case.
        heads: where descriptors are queries and keys of attention, the layer (block.layer) and head
            of each map; empty for plain features.
    """

    name: str
    window_length: int
    size_multiple: int
    device: torch.device
    dtype: torch.dtype
    streaming: bool = False
    reentrant: bool = False
    heads: tuple[tuple[str, int], ...] = ()

    @abstractmethod
    def extract(self, window: Window) -> Descriptors:
        """Descriptors of the newest `window.new` frames of a stream that begins with this window;
        nothing of it is kept.

        The maps are not normalised, and frames are described alike whatever `new` is.
        """

    def session(self, length: int = 0) -> Session:
        """A new stream over these weights. Extractors that keep anything between two windows
        override this.

        Args:
            length: frames that the stream sees together; 0 takes `window_length`. Windowed
                extractors see it from their windows, streaming ones remember that many.
        """
        del length
        return Session(self)


class Session:
    """One stream of frames through an extractor; one thread at a time uses it. Several sessions of
    a streaming or reentrant extractor may be in use at once.

    This one keeps nothing between two windows.

    Args:
        extractor: whose weights it uses.

    Attributes:
        text: (1, tokens, dim) condition in place of the extractor's prompt, None for that one; it
            has no meaning where the network takes no text (`features.cross_attention`).
    """

    text: Tensor | None = None

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor

    def extract(self, window: Window) -> Descriptors:
        """Descriptors of the newest `window.new` frames of a window.

        A session of a windowed extractor may be shown a frame again, as context or anew. That of a
        streaming one is shown every frame once: the window follows on the last one, and all of its
        frames are new to the session (more than `new` only where context is given at the start).
        If this raises, the session has to be reset before it is used again.
        """
        return self._extractor.extract(window)

    def reset(self) -> None:
        """Forget all frames; another stream begins, or this one goes on elsewhere."""
