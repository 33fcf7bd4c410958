"""The scenes by name. A new one is a file with `build(SceneSettings) -> Scene` and a line here."""

from __future__ import annotations

from collections.abc import Callable

from drift_ros.errors import SettingsError
from drift_ros.synthetic.scene import Scene
from drift_ros.synthetic.scenes import crossing
from drift_ros.synthetic.settings import SceneSettings

BUILDERS: dict[str, Callable[[SceneSettings], Scene]] = {
    crossing.NAME: crossing.build,
}


def names() -> list[str]:
    """Names of the scenes."""
    return list(BUILDERS)


def create(name: str, settings: SceneSettings | None = None) -> Scene:
    """The scene of a name.

    Raises:
        SettingsError: no scene has this name.
    """
    if name not in BUILDERS:
        raise SettingsError(f'unknown scene {name!r}; there are: {", ".join(names())}')
    return BUILDERS[name](settings or SceneSettings())
