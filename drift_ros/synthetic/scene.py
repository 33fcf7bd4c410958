"""A scene: bodies before a background, a camera, and what it sees in every frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.body import Background, Body
from drift_ros.synthetic.effects import Effect
from drift_ros.synthetic.motion import Path, Pose, still
from drift_ros.synthetic.settings import SceneSettings
from drift_ros.synthetic.truth import object_truth
from drift_ros.synthetic.types import Camera, SyntheticFrame, stamp


class Scene:
    """Renders labelled frames, each one on its own and always the same.

    Args:
        name: name of the scene.
        settings: size, length, rate and seed.
        camera: the camera.
        background: what is behind everything.
        bodies: the objects, with distinct ids 1..254.
        eye: path of the camera, which keeps its orientation.
        effects: what happens to the rendered picture, in order.
    """

    def __init__(
        self,
        name: str,
        settings: SceneSettings,
        camera: Camera,
        background: Background,
        bodies: Sequence[Body],
        eye: Path | None = None,
        effects: Sequence[Effect] = (),
    ) -> None:
        ids = [body.id for body in bodies]
        if len(set(ids)) < len(ids) or not all(0 < i < 255 for i in ids):
            raise ValueError(f'bodies need distinct ids in 1..254, got {ids}')
        self.name = name
        self.settings = settings
        self.camera = camera
        self.background = background
        self.bodies = tuple(sorted(bodies, key=lambda body: body.id))
        self.eye = eye or still()
        self.effects = tuple(effects)

    def __len__(self) -> int:
        return self.settings.frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        return (self.render(index) for index in range(len(self)))

    def render(self, index: int) -> SyntheticFrame:
        """Frame number `index`.

        Raises:
            IndexError: the scene has no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'scene {self.name!r} has frames 0 to {len(self) - 1}, not {index}')
        moment = index / max(1, len(self) - 1)
        eye = self.eye(moment).position
        poses = {body.id: _seen_from(eye, body.path(moment)) for body in self.bodies}
        canvas = self.background.paint(self.camera, eye)
        full = {}
        for body in sorted(self.bodies, key=lambda body: -poses[body.id].position[2]):
            full[body.id] = body.paint(canvas, self.camera, poses[body.id])
        objects = tuple(
            object_truth(
                body.id,
                body.name,
                canvas.labels,
                canvas.depth,
                full[body.id],
                poses[body.id].position,
                self.camera,
            )
            for body in self.bodies
        )
        rng = np.random.default_rng((self.settings.seed, index))
        image = canvas.image
        for effect in self.effects:
            image = effect(image, rng)
        pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        moment_ns = stamp(index, self.settings.rate)
        return SyntheticFrame(index, moment_ns, pixels, canvas.labels, canvas.depth, objects)


def _seen_from(eye: NDArray[np.float64], pose: Pose) -> Pose:
    return replace(pose, position=pose.position - eye)
