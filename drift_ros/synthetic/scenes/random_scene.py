"""Endless varied videos: every seed gives another one."""

from __future__ import annotations

from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.balls import ball_world
from drift_ros.synthetic.scenes.cutouts import cutout_world
from drift_ros.synthetic.scenes.events import draw_event
from drift_ros.synthetic.seeds import Seed, Split
from drift_ros.synthetic.settings import RandomSettings, SceneSettings

NAME = 'random'
KIND, BALLS, CUTOUTS, EVENT = range(4)
RANDOM = 1  # the word of all random videos below a split


def random_scene(
    seed: int, settings: RandomSettings | None = None, split: Split = 'train'
) -> World:
    """The random video of a seed.

    Args:
        seed: not negative.
        split: seeds of different splits share nothing.
    """
    settings = settings or RandomSettings()
    root = Seed(split, (RANDOM, seed))
    name = f'random-{split}-{seed:06d}'
    event = draw_event(root.child(EVENT).generator(), settings)
    if event is None and root.child(KIND).generator().random() < settings.balls:
        return ball_world(name, settings, root.child(BALLS))
    return cutout_world(name, settings, root.child(CUTOUTS), event=event)


def build(settings: SceneSettings) -> World:
    """The random video of a seed; its noise is at most what the settings say."""
    values = settings.model_dump()
    seed = values.pop('seed')
    return random_scene(seed, RandomSettings(**values))
