"""The scenes by name.

A new scene is a file with `build(SceneSettings) -> Video` and a line in `BUILDERS`; a new set is a
recipe in `sets.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drift_ros.errors import SettingsError
from drift_ros.synthetic.ground_truth import Video
from drift_ros.synthetic.scenes import crossing, random_scene
from drift_ros.synthetic.scenes.sets import RECIPES, HeldOut, VideoSet
from drift_ros.synthetic.settings import SceneSettings

BUILDERS: dict[str, Callable[[SceneSettings], Video]] = {
    crossing.NAME: crossing.build,
    crossing.PARTLY: crossing.build_passing,
    random_scene.NAME: random_scene.build,
}
DEFAULTS = {crossing.PARTLY: SceneSettings(frames=48, rate=12)}  # where they are not those of all


def names() -> list[str]:
    """Names of the scenes and of the sets."""
    return [*BUILDERS, *RECIPES]


def defaults(name: str) -> SceneSettings:
    """The settings that belong to a scene, a set, or a video of a set.

    Raises:
        SettingsError: there is nothing of this name.
    """
    if name in BUILDERS:
        return DEFAULTS.get(name) or SceneSettings()
    return RECIPES[_set_of(name)].defaults


def create(name: str, settings: SceneSettings | None = None) -> Video:
    """The scene of a name, or one video of a set, such as `kubric-similar-03`.

    Raises:
        SettingsError: nothing has this name, or it is a whole set.
    """
    if name in BUILDERS:
        return BUILDERS[name](settings or defaults(name))
    if name in RECIPES:
        raise SettingsError(
            f'{name} is a set of {RECIPES[name].videos} videos; name one, as in {name}-00, or take '
            'them all with create_set'
        )
    found = _set_of(name)
    for split in ('test', 'val'):
        videos = VideoSet(found, settings, split)
        if name in videos.names:
            return videos[videos.names.index(name)]
    raise SettingsError(f'the set {found} has no video {name!r}; it has {found}-00 and so on')


def create_set(
    name: str, settings: SceneSettings | None = None, split: HeldOut = 'test'
) -> Sequence[Video]:
    """All videos of a set; a scene, or one video of a set, alone.

    Args:
        settings: size, length, rate and noise; None takes those that belong to it.
        split: of a set: `test` for reporting, `val` for choosing settings.

    Raises:
        SettingsError: nothing has this name.
    """
    if name in RECIPES:
        return VideoSet(name, settings, split)
    return [create(name, settings)]


def _set_of(name: str) -> str:
    for found in RECIPES:
        if name == found or name.startswith(f'{found}-'):
            return found
    raise SettingsError(f'unknown scene {name!r}; there are: {", ".join(names())}')
