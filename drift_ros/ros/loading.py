"""Makes the trackers of a node's cameras, over one set of networks."""

from __future__ import annotations

from collections.abc import Sequence

from drift_ros.errors import SettingsError
from drift_ros.node_settings import NodeSettings, tracker_settings
from drift_ros.prompts import Prompt, read_prompts
from drift_ros.tracking.tracker import Tracker


class Loader:
    """Loads the networks once, for the first camera. To be used in the worker's thread."""

    def __init__(self) -> None:
        self._first: Tracker | None = None

    def __call__(self, settings: NodeSettings, generation: int) -> Tracker:
        """Make a camera's tracker with its initial prompts, and run it once.

        Args:
            settings: of the camera.
            generation: the tracker's first one, without targets.

        Raises:
            DriftError: a checkpoint, the device, or the prompts file is missing or unusable.
        """
        prompts = _initial_prompts(settings.prompts_file)
        own = tracker_settings(settings)
        tracker = Tracker.from_settings(own, prompts, live=True, beside=self._first)
        self._first = tracker
        tracker.generation = generation
        if settings.warm_up_size:
            width, height = (int(side) for side in settings.warm_up_size.split('x'))
            tracker.warm_up((height, width))
        return tracker


def _initial_prompts(file: str) -> Sequence[Prompt]:
    if not file:
        return ()
    timed = read_prompts(file)
    if late := [t for t in timed if t.frame or t.stamp]:
        raise SettingsError(
            f'prompts_file {file!r} has {len(late)} prompts for later frames; the node applies '
            'those of frame 0, give the others to `drift track` or ~/reset_targets'
        )
    return [t.prompt for t in timed]
