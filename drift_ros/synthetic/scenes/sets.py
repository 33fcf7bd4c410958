"""The benchmark sets: fixed videos of identical objects, and of objects that come back.

Their seeds lie in the splits `test`, for reporting, and `val`, for choosing settings, where no
training video can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from drift_ros.errors import SettingsError
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes import absences
from drift_ros.synthetic.scenes.balls import ball_world
from drift_ros.synthetic.scenes.cutouts import cutout_world
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings, SceneSettings

HeldOut = Literal['test', 'val']
SETS = 2  # the word of all sets below a split
TRIES = 60
LOOK = (96, 72)  # size in px at which drafts of cutouts are judged


@dataclass(frozen=True)
class Recipe:
    """How a set is made.

    Attributes:
        objects: how many in each, at least.
        cutouts: every which video shows cutouts in place of balls; 0: none.
        defaults: size, length, rate and noise that belong to the set.
        absences: makes a video whose objects go away, in place of one in which they cross.
    """

    number: int
    description: str
    videos: int
    objects: int
    cutouts: int
    defaults: SceneSettings
    absences: Callable[[str, RandomSettings, Seed, int], World] | None = None


# What came after the sets were made, which stay what they were, and what they do without.
PLAIN: dict[str, Any] = dict.fromkeys(
    (
        'slow_crossings', 'returns', 'hands', 'crowds', 'thin', 'figures', 'approaches', 'shake',
        'pans', 'layers', 'materials', 'gloss', 'lighting', 'exposure', 'motion_blur', 'defocus',
        'compression', 'occluders', 'camouflage',
    ),
    0.0,
)  # fmt: skip
# Of the sets of absences, which came with it.
VARIED: dict[str, Any] = {
    'materials': 0.6,
    'figures': 0.3,
    'thin': 0.1,
    'floor': 0.0,
    'camera': 0.3,
    'motion_blur': 0.5,
    'largest': 0.15,
}
KUBRIC = SceneSettings(width=640, height=480, frames=16, rate=12, noise=2)
AWAY = SceneSettings(width=640, height=480, frames=240, rate=12, noise=3)
LONG = SceneSettings(width=640, height=480, frames=3000, rate=12, noise=3)
HARDER = SceneSettings(width=640, height=480, frames=24, rate=12, noise=3)

RECIPES = {
    'kubric-similar': Recipe(0, 'two identical balls on a floor', 14, 2, 0, KUBRIC),
    **{
        f'similar-{n}': Recipe(
            n, f'{n} identical objects that cross and hide each other', 8, n, 2, HARDER
        )
        for n in range(2, 7)
    },
    'comes-back': Recipe(
        7, 'objects that are out of sight for 1 to 10 s', 16, 1, 1, AWAY, absences.comes_back
    ),
    'other-distance': Recipe(
        10,
        'objects that come back nearer or farther away',
        16,
        1,
        1,
        AWAY,
        absences.other_distance,
    ),
    'long': Recipe(8, 'three objects that are often out of sight', 4, 3, 1, LONG, absences.long),
}


class VideoSet(Sequence[World]):
    """The videos of a set, each made when it is asked for.

    Args:
        settings: size, length, rate and noise; None takes those that belong to the set. Its seed
            must be 0: the set fixes its seeds.
        split: `test` for reporting, `val` for choosing settings.

    Raises:
        SettingsError: no such set or split, or a seed is given.
    """

    def __init__(
        self, name: str, settings: SceneSettings | None = None, split: HeldOut = 'test'
    ) -> None:
        if name not in RECIPES:
            raise SettingsError(f'unknown set {name!r}; there are: {", ".join(RECIPES)}')
        if split not in ('test', 'val'):
            raise SettingsError(f'sets have the splits test and val, not {split!r}')
        self.name = name
        self.recipe = RECIPES[name]
        self.settings = settings or self.recipe.defaults
        self.split: HeldOut = split
        if self.settings.seed:
            raise SettingsError(f'the set {name} fixes its seeds; leave the seed at 0')

    def __len__(self) -> int:
        return self.recipe.videos

    @overload
    def __getitem__(self, index: int) -> World: ...

    @overload
    def __getitem__(self, index: slice) -> list[World]: ...

    def __getitem__(self, index: int | slice) -> World | list[World]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number = range(len(self))[index]
        name = self.names[number]
        seed = Seed(self.split, (SETS, self.recipe.number, number))
        settings = self.random_settings()
        if self.recipe.absences:
            return self.recipe.absences(name, settings, seed, number)
        if self.recipe.cutouts and number % self.recipe.cutouts == 0:
            return _cutouts(name, settings, seed)
        cross = number % 3 != 2 or None  # every third is left to chance
        return ball_world(name, settings, seed, self.recipe.objects, identical=True, cross=cross)

    @property
    def names(self) -> list[str]:
        """Names of the videos."""
        prefix = self.name if self.split == 'test' else f'{self.name}-{self.split}'
        return [f'{prefix}-{i:02d}' for i in range(len(self))]

    def random_settings(self) -> RandomSettings:
        """What its videos are made with."""
        own = self.settings
        count = self.recipe.objects
        return RandomSettings(
            **own.model_dump(exclude={'seed'}),
            fewest=count,
            most=count,
            smallest=0.07,
            largest=0.2,
            crossing=1,
            camera=0.5,
            shadows=1,
            **PLAIN,
        ).model_copy(update=VARIED if self.recipe.absences else {})


def _cutouts(name: str, settings: RandomSettings, seed: Seed) -> World:
    """The first draft in which all are seen at first, and some hide others later."""
    small = settings.model_copy(
        update={'width': LOOK[0], 'height': LOOK[0] * settings.height // settings.width}
    )
    small = small.model_copy(update={'points': 0, 'frames': min(settings.frames, 24)})
    for draft in range(TRIES):
        if _good(cutout_world(name, small, seed.child(draft), identical=True)):
            break
    return cutout_world(name, settings, seed.child(draft), identical=True)


def _good(world: World) -> bool:
    first = world.render(0)
    pixels = first.labels.size
    if any(o.visibility < 0.85 or o.area < 0.004 * pixels for o in first.objects):
        return False
    if any(o.full_area > 0.15 * pixels for o in first.objects):
        return False
    frames = [world.render(i).objects for i in range(2, len(world), 3)]
    if not frames:  # too short for anything to happen
        return True
    hidden = min((o.visibility for objects in frames for o in objects if o.full_area), default=1)
    seen = [
        sum(objects[k].area > 0.001 * pixels for objects in frames) / len(frames)
        for k in range(len(first.objects))
    ]
    return hidden < 0.5 and min(seen) >= 0.7
