"""Masks from clicks without a segmenter's weights: labels spread by what the extractor finds alike.

Within a frame, a click is spread to the cells that resemble it: by the attention kernel where the
extractor reads attention (as DRIFT spreads labels), by the cosine of features otherwise. How far
the object reaches is decided in the image: of several levels of the spread label, the one whose
outline lies on edges is taken. GrabCut then finds the outline anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.interruption import checkpoint
from drift_ros.prompts.grabcut import GrabCutSegmenter, edge_strength
from drift_ros.prompts.prompt import OBJECT_POINT, Prompt
from drift_ros.prompts.queries import clip_boxes, is_given, pixels
from drift_ros.propagation import spread, unit
from drift_ros.settings import TrackerSettings
from drift_ros.tracking.prepare import network_size, to_input

Mask = NDArray[np.bool_]

STEPS = 8  # times that the kernel is applied
CELLS = 2048  # most cells of the grid: time grows with their square
SIDE = 160  # px, short side of the image in which levels are compared
AREAS = tuple(np.geomspace(0.004, 0.35, 14))  # of the object, in parts of the image
SCALE_PRIOR = 0.4  # exponent: of two equally good outlines the larger one is the object
RING = 0.3  # width of the surroundings, in radii of the object


class SpreadSegmenter:
    """Segments by the descriptors of the tracker's own extractor.

    Args:
        extractor: of the tracker; frames are described as the first of a stream.
        settings: resolution, and temperature where features are compared.
    """

    name = 'spread'

    def __init__(self, extractor: FeatureExtractor, settings: TrackerSettings) -> None:
        self._extractor = extractor
        self._resolution = settings.features.resolution
        self.temperature = settings.propagation.temperature
        self._outlines = GrabCutSegmenter()

    def segment(self, image: NDArray[np.uint8], prompts: Sequence[Prompt]) -> list[Mask]:
        """Segment the prompted objects of one image, each by itself (see `Segmenter`)."""
        if all(is_given(prompt) for prompt in prompts):
            return self._outlines.segment(image, prompts)
        size = (image.shape[0], image.shape[1])
        side = network_size(size, self._resolution, self._extractor.size_multiple)
        images = to_input(image, side, self._extractor.device)[None]
        kernel = self._kernel(self._extractor.extract(Window(images, (0,), 1)))
        edge = _Edges(image)
        coarse = [self._coarse(kernel, edge, prompt) for prompt in prompts]
        return self._outlines.segment(image, coarse)

    def _coarse(self, kernel: Descriptors, edge: _Edges, prompt: Prompt) -> Prompt:
        """The prompt with a rough mask of the object."""
        if is_given(prompt):
            return prompt
        checkpoint()
        seeds = _seeds(prompt, edge.size)
        grid = kernel.grid
        given = torch.from_numpy(seeds).to(kernel.queries[0].device)[None]
        inside = functional.adaptive_max_pool2d((given == 1).float(), grid)
        outside = functional.adaptive_max_pool2d((given == 0).float(), grid) * (1 - inside)
        labels = inside.clone()
        for _ in range(STEPS):
            labels = spread([q[0] for q in kernel.queries], [k[0] for k in kernel.keys], labels)
            labels = torch.maximum(labels, inside) * (1 - outside)
        rough = edge.best_level(labels[0].cpu().numpy(), seeds)
        return prompt if rough is None else replace(prompt, mask=rough)

    def _kernel(self, found: Descriptors) -> Descriptors:
        """Queries and keys whose products are logits, on grids that are not too fine."""
        if not self._extractor.heads:
            features = unit(_pooled(found.features), 1)
            return Descriptors((features / self.temperature,), (features,), found.stride)
        return found.map(_pooled)


class _Edges:
    """Where the edges of an image are, and which of several masks follows them best."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.size = (image.shape[0], image.shape[1])
        scale = min(1.0, SIDE / min(self.size))
        height, width = (max(1, round(side * scale)) for side in self.size)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        smooth = np.ascontiguousarray(cv2.bilateralFilter(small, 5, 30, 3), np.uint8)
        self._edges = edge_strength(smooth)

    def best_level(self, labels: NDArray[np.float32], seeds: NDArray[np.int8]) -> Mask | None:
        """The mask (H, W) above one of the levels of (h, w) labels; None if there is none.

        Args:
            labels: spread from the seeds.
            seeds: (H, W), 1 on the object, 0 off it, -1 elsewhere.
        """
        height, width = self._edges.shape
        fine = cv2.resize(labels, (width, height), interpolation=cv2.INTER_CUBIC)
        on = (
            cv2.resize(
                (seeds == OBJECT_POINT).astype(np.float32),
                (width, height),
                interpolation=cv2.INTER_AREA,
            )
            > 0
        )
        best, best_score = None, 0.0
        for level in np.quantile(fine, [1 - area for area in AREAS]):
            mask = _touching(fine > level, on)
            score = self._score(mask, fine)
            if score > best_score:
                best, best_score = mask, score
        if best is None:
            return None
        full = cv2.resize(best.astype(np.float32), self.size[::-1], interpolation=cv2.INTER_LINEAR)
        return full > 0.5

    def _score(self, mask: Mask, labels: NDArray[np.float32]) -> float:
        """How much stronger edges are on the outline than around, and labels inside than around."""
        kernel = np.ones((3, 3), np.uint8)
        # the image's own border is no outline
        inner = cv2.erode(
            mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1
        )
        outline = mask & (inner == 0)
        radius = float(np.sqrt(mask.sum() / np.pi))
        distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        near = distance <= max(1.0, RING * radius)
        ring = near & ~mask
        if not outline.any() or not ring.any():
            return 0.0
        contrast = self._edges[outline].mean() / (self._edges[near].mean() + 1e-6)
        logarithm = np.log(np.maximum(labels, 1e-6))
        gap = logarithm[mask].mean() - logarithm[ring].mean()
        return float(contrast * gap * radius**SCALE_PRIOR)


def _seeds(prompt: Prompt, size: tuple[int, int]) -> NDArray[np.int8]:
    """(H, W): 1 on the object, 0 off it, -1 where the prompt says nothing."""
    height, width = size
    seeds = np.full(size, -1, np.int8)
    if len(prompt.boxes):
        seeds[:] = 0
        for left, top, right, bottom in clip_boxes(prompt.boxes, size):
            seeds[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = -1
    columns, rows = pixels(prompt.points).T
    seeds[rows, columns] = prompt.point_labels
    if prompt.mask is not None:
        core = cv2.distanceTransform(prompt.mask.astype(np.uint8), cv2.DIST_L2, 5)
        seeds[core > 0.3 * core.max()] = OBJECT_POINT
    if not (seeds == OBJECT_POINT).any():  # boxes alone: their middles
        for left, top, right, bottom in clip_boxes(prompt.boxes, size):
            middle = (
                min(height - 1, int((top + bottom) / 2)),
                min(width - 1, int((left + right) / 2)),
            )
            seeds[middle] = OBJECT_POINT
    return seeds


def _touching(mask: Mask, seeds: Mask) -> Mask:
    """The components of a mask that seeds lie on."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[parts[seeds]] = True
    kept[0] = False
    return np.asarray(kept[parts], bool)


def _pooled(maps: Tensor) -> Tensor:
    """(n, C, h, w) means of 2x2 cells, until there are few enough."""
    while maps.shape[2] * maps.shape[3] > CELLS and min(maps.shape[2:]) > 1:
        maps = functional.avg_pool2d(maps, 2)
    return maps
