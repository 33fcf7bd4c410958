"""Objects that leave the image, or vanish behind something, stay away, and come back elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift_ros.synthetic.render.balls import BallActor
from drift_ros.synthetic.render.cutouts import CutoutActor
from drift_ros.synthetic.render.tracks import Array
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.camera_paths import camera_path
from drift_ros.synthetic.scenes.cutouts import ball_on_way, random_layout, track_on_way
from drift_ros.synthetic.scenes.events import Cover, eased
from drift_ros.synthetic.scenes.imaging import random_world
from drift_ros.synthetic.scenes.paths import apart
from drift_ros.synthetic.scenes.scenery import TEXELS, scenery
from drift_ros.synthetic.scenes.skins import ball_skin
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.sprites.random_cutout import random_cutout
from drift_ros.synthetic.textures.colours import palette
from drift_ros.synthetic.textures.noise import bank

LAYOUT, MOTION, TEXTURES, SCENERY = range(4)
PACE = (1.2, 2.5)  # s from one place to the next
LEAVING = 1.0  # s that going out of sight takes, and coming back


@dataclass(frozen=True)
class Absence:
    """When an object is out of sight.

    Attributes:
        start, stop: in s; a start of 0 is from before the first frame, a stop at the video's end
            is for good.
    """

    start: float
    stop: float


@dataclass(frozen=True)
class Role:
    """An object of a video and when it is away.

    Attributes:
        id: in the label map; 0: a look-alike that nobody asked for.
        appearance: objects of one number look the same.
        absences: in the order of time, at least 3 s apart.
        distance: factor on its distance after the first of them.
    """

    id: int
    appearance: int
    absences: tuple[Absence, ...]
    distance: float = 1.0


def absence_world(
    name: str,
    settings: RandomSettings,
    seed: Seed,
    roles: tuple[Role, ...],
    behind: bool,
    balls: bool,
) -> World:
    """A video of objects that go away and come back.

    Args:
        behind: whether they vanish behind something; else they leave the image.
        balls: whether they are balls; else cutouts.
    """
    rng = seed.child(LAYOUT).generator()
    layout = random_layout(rng, settings)
    noise, colours = bank(seed.split), palette(rng, 5)
    low, high = 2 * settings.smallest, 2 * settings.largest
    radii = np.exp(rng.uniform(np.log(low), np.log(high), len(roles)))
    widest = float(radii.max())
    starts = apart(rng, len(roles), 2.2 * widest, layout.half, 1.2 * widest)
    covers: list[Cover] = []
    if behind:
        places = rng.uniform(-0.5, 0.5, (40, 2)) * layout.half
        clear = np.linalg.norm(places[:, None] - starts, axis=-1).min(1)  # of what is seen first
        covers.append(Cover(places[clear.argmax()], 1.3 * float(radii.max())))
    depths = layout.depth * (1 + 0.25 * np.linspace(-1, 1, len(roles) + 2)[1:-1])
    actors: list[CutoutActor | BallActor] = []
    for i, (role, depth) in enumerate(zip(roles, depths.tolist(), strict=True)):
        radius = float(radii[role.appearance])
        way = itinerary(
            seed.child(MOTION, i).generator(),
            settings,
            layout.half,
            radius,
            role,
            covers,
            starts[i],
        )
        size = radius * layout.metres(layout.depth)
        look = seed.child(TEXTURES, role.appearance)
        distances = _distances(role, settings)
        if balls:
            skin = ball_skin(look.generator(), noise, settings)
            turning = seed.child(MOTION, i, 0).generator()
            actors.append(ball_on_way(role.id, skin, size, way, depth, layout, turning, distances))
            continue
        pixels = 1.6 * radius * min(settings.width, settings.height)
        cutout = random_cutout(look, noise, int(np.clip(pixels, *TEXELS)), None, settings)
        motion = seed.child(MOTION, i, 0).generator()
        track = track_on_way(motion, settings, layout, cutout, way, depth, size, distances)
        actors.append(CutoutActor(role.id, f'{cutout.name} {i + 1}', cutout, size, track, 0.25))
    things, planes = scenery(seed.child(SCENERY), settings, layout, noise, colours, covers)
    eye = camera_path(seed.child(LAYOUT, 1).generator(), settings.frames, settings.camera)
    actors = [*things, *actors]
    return random_world(name, settings, seed, layout.camera, eye, planes, actors, layout.depth)


def itinerary(
    rng: np.random.Generator,
    settings: RandomSettings,
    half: Array,
    radius: float,
    role: Role,
    covers: list[Cover],
    start: Array,
) -> Array:
    """(d, 2) a way about the image that is out of sight when it should be.

    Args:
        settings: number of frames, and the rate.
        half: (2,) half the width and height of the image.
        radius: of the object in units of half the shorter side.
        covers: what it may vanish behind; empty: it leaves the image.
        start: (2,) where it is at first, if it is in sight.
    """
    length = settings.frames / settings.rate
    room = np.maximum(half - radius, 0.2)
    far = 1.1 * float(np.linalg.norm(half)) + 1.7 * radius
    times: list[float] = []
    places: list[Array] = []

    def roam(begin: float, stop: float) -> None:
        """Places in sight of which the first is at the start, and none close to the stop."""
        now = begin
        while now == begin or now < stop - PACE[0]:
            options = rng.uniform(-room, room, (8, 2))
            clear = [min((_gap(o, c) for c in covers), default=0.0) for o in options]
            times.append(now)
            place = options[int(np.argmax(clear))] if covers else options[0]
            places.append(place if now > 0 else start)
            now += rng.uniform(*PACE)

    now = 0.0
    for absence in role.absences:
        if absence.start > 0:
            roam(now, absence.start - LEAVING)
        if covers:
            spot = covers[0].place + 0.08 * covers[0].radius * rng.standard_normal(2)
            hidden = np.stack([spot, spot])
        else:
            last = places[-1] if places else rng.standard_normal(2)
            angle = float(np.arctan2(last[1], last[0]) + rng.normal(0, 0.4))
            turns = np.linspace(angle, angle + rng.uniform(-3, 3), 8)
            hidden = far * np.stack([np.cos(turns), np.sin(turns)], -1)
        times.extend(np.linspace(absence.start, absence.stop, len(hidden)))
        places.extend(hidden)
        now = absence.stop + LEAVING
    if now < length:
        roam(now, length + PACE[1])
    last_frame = max(settings.frames - 1, 1) / settings.rate
    return eased(np.array(times) / last_frame, np.array(places), settings.frames)


def _distances(role: Role, settings: RandomSettings) -> Array | None:
    """(d,) factor on its distance, which changes out of sight; None if it does not."""
    if role.distance == 1:
        return None
    away = role.absences[0]
    share = (np.arange(settings.frames) / settings.rate - away.start) / (away.stop - away.start)
    changed: Array = role.distance ** np.clip(1.5 * share - 0.25, 0, 1)
    return changed


def _gap(place: Array, cover: Cover) -> float:
    return float(np.linalg.norm(place - cover.place)) / cover.radius


def comes_back(
    name: str, settings: RandomSettings, seed: Seed, number: int, farther: bool = False
) -> World:
    """A video of the set `comes-back`: one or two targets, each away once or twice.

    Every other one vanishes behind something in place of leaving the image. Half have an identical
    object that is back first: another target, or one that nobody asked for and that was not there
    when the target was.

    Args:
        farther: whether the first target is farther away than the other object, not nearer.
    """
    rng = seed.child(0).generator()
    length = settings.frames / settings.rate

    def away(start: float) -> Absence:
        seconds = float(np.exp(rng.uniform(0, np.log(10))))
        return Absence(start, min(start + seconds, length - 3))

    first = away(rng.uniform(3, 5))
    absences = [first]
    if first.stop + 4 < length - 5:
        absences.append(away(first.stop + rng.uniform(3, 4)))
    roles = [Role(1, 0, tuple(absences))]
    earlier = max(first.start + 0.7, first.stop - rng.uniform(1, 3))
    kind = number // 2 % 4
    if kind == 1:  # an unlabelled one, there only while the target is away
        roles.append(Role(0, 0, (Absence(0, earlier), Absence(length - 1, length + 3))))
    elif kind == 2:  # another target of other appearance
        roles.append(Role(2, 1, (away(rng.uniform(3, 8)),)))
    elif kind == 3:  # an identical target
        start = min(first.start + rng.uniform(-0.5, 0.5), earlier - 0.8)
        roles.append(Role(2, 0, (Absence(start, earlier),)))
    balls = number % 3 == 2
    if farther:
        roles.reverse()  # the first one is the nearest
    return absence_world(name, settings, seed, tuple(roles), number % 2 == 1, balls)


def other_distance(name: str, settings: RandomSettings, seed: Seed, number: int) -> World:
    """A video of the set `other-distance`: one or two targets that look different, each away once,
    of which the first comes back 1.2 to 1.5 times nearer, or farther away.
    """
    rng = seed.child(0).generator()
    length = settings.frames / settings.rate
    roles = []
    for i in range(1 + number // 2 % 2):
        start = rng.uniform(3, 6)
        stop = min(start + float(np.exp(rng.uniform(0, np.log(10)))), length - 6)
        distance = float(rng.uniform(1.2, 1.5)) ** (1 if number // 4 % 2 else -1)
        roles.append(Role(i + 1, i, (Absence(start, stop),), 1.0 if i else distance))
    return absence_world(name, settings, seed, tuple(roles), number % 2 == 1, number % 3 == 2)


def long(name: str, settings: RandomSettings, seed: Seed, number: int) -> World:
    """A video of the set `long`: three targets, two of them identical, often away for 2 to 20 s."""
    rng = seed.child(0).generator()
    length = settings.frames / settings.rate
    roles = []
    for i in range(3):
        absences = []
        now = rng.uniform(5, 20)
        while now + 25 < length:
            seconds = float(np.exp(rng.uniform(np.log(2), np.log(20))))
            absences.append(Absence(now, now + seconds))
            now += seconds + rng.uniform(8, 30)
        roles.append(Role(i + 1, min(i, 1), tuple(absences)))
    return absence_world(name, settings, seed, tuple(roles), number % 2 == 1, number % 3 == 2)
