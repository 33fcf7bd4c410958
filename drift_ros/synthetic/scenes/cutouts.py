"""Cutouts before a textured background: the most varied of the generated videos."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.balls import BallActor, rolling
from drift_ros.synthetic.render.cutouts import CutoutActor
from drift_ros.synthetic.render.tracks import Array, Track, wander
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes import events
from drift_ros.synthetic.scenes.camera_paths import camera_path, disturbed
from drift_ros.synthetic.scenes.events import Cover, Event, Grasp
from drift_ros.synthetic.scenes.imaging import random_world
from drift_ros.synthetic.scenes.paths import apart, crossing, roaming
from drift_ros.synthetic.scenes.scenery import TEXELS, Layout, scenery
from drift_ros.synthetic.scenes.skins import ball_skin, random_turn
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.sprites import hands
from drift_ros.synthetic.sprites.cutout import Cutout
from drift_ros.synthetic.sprites.random_cutout import random_cutout
from drift_ros.synthetic.textures.colours import Colours, Texture, palette
from drift_ros.synthetic.textures.materials import material, metal, skin
from drift_ros.synthetic.textures.noise import NoiseBank, bank

LAYOUT, MOTION, TEXTURES, SCENERY = range(4)
EVENT, CAMERA = 8, 9
PARTS = 60  # of all objects of a crowd, at most


def cutout_world(
    name: str,
    settings: RandomSettings,
    seed: Seed,
    identical: bool | None = None,
    event: Event | None = None,
) -> World:
    """A random video of cutouts; each aspect has a random stream of its own.

    Args:
        identical: whether all objects have one appearance; None draws it, and how many do.
        event: what happens beside roaming and crossing; balls may take part in it.
    """
    rng = seed.child(LAYOUT).generator()
    happening = seed.child(EVENT).generator()
    layout = random_layout(rng, settings)
    noise = bank(seed.split)
    colours = palette(rng, 5)
    count = int(rng.integers(settings.fewest, settings.most + 1))
    radii = _radii(rng, count, settings)
    drawn = rng.random() < settings.identical and count > 1
    groups = np.zeros(count, int) if identical else _groups(rng, count, drawn and identical is None)
    identical = drawn if identical is None else identical
    round_ = event in ('slow_crossings', 'returns', 'crowds')
    round_ = round_ and happening.random() < settings.balls
    if event == 'slow_crossings':
        count, identical = max(2, count), True
        radii = np.resize(radii, count).clip(0.1, 0.45)
        groups = np.zeros(count, int)
    elif event == 'returns':
        radii = radii.clip(max=0.32)
    elif event == 'crowds':
        count, identical = int(happening.integers(*events.CROWD, endpoint=True)), True
        radii = happening.uniform(0.07, 0.2) * np.exp(happening.uniform(-0.15, 0.15, count))
        groups = happening.integers(int(happening.choice([1, 1, 2, 3])), size=count)
    nearer = None
    if happening.random() < settings.approaches:
        nearer = events.approach(happening, settings.frames)
        radii = np.minimum(radii, 0.8 * float(nearer.min()))
        nearer *= 1.25  # it starts behind the others
    # Each group takes the size of one of its objects.
    radii = radii[groups]
    if event == 'crowds' and not round_:
        cutouts = _cutouts(seed.child(TEXTURES), settings, noise, colours, groups, radii)
        most = max(2, PARTS // max(len(c.parts) for c in cutouts.values()))
        count, radii, groups = min(count, most), radii[:most], groups[:most]
    depths = layout.depth * (1 + np.where(identical, 0.06, 0.2) * rng.permutation(_spread(count)))
    if round_:  # balls do not run into each other
        gap = min(2.1 * float(radii.max()) * layout.metres(1.0), 0.9 / count)
        order = happening.permutation(count)
        depths = layout.depth * (1 + gap * (order - (count - 1) / 2))
    covers: list[Cover] = []
    grasp: Grasp | None = None
    motion = seed.child(MOTION).generator()
    if event == 'slow_crossings':
        ways = events.slow_crossings(happening, settings.frames, radii, layout.half)
    elif event == 'crowds':
        ways = events.crowds(happening, settings.frames, count, layout.half)
    elif event is None:
        ways = _ways(motion, settings, layout, radii)
    else:
        margin = float(np.median(radii)) * 0.7
        starts = apart(motion, count, 2 * float(radii.max()), layout.half, margin)
        if event == 'returns':
            ways, covers = events.returns(happening, settings.frames, starts, radii, layout.half)
        else:
            ways, grasp = events.hands(happening, settings.frames, starts, radii, layout.half)
    actors: list[CutoutActor | BallActor] = []
    if round_:
        own = {int(g): seed.child(TEXTURES, int(g)).generator() for g in np.unique(groups)}
        skins = {g: ball_skin(generator, noise, settings) for g, generator in own.items()}
    else:
        cutouts = _cutouts(seed.child(TEXTURES), settings, noise, colours, groups, radii)
    for i, (group, radius) in enumerate(zip(groups.tolist(), radii.tolist(), strict=True)):
        size = radius * layout.metres(layout.depth)
        if round_:
            actors.append(
                ball_on_way(
                    i + 1,
                    skins[group],
                    size,
                    ways[i],
                    float(depths[i]),
                    layout,
                    happening,
                    nearer,
                    count <= 2,
                )
            )
            continue
        track = track_on_way(
            seed.child(MOTION, i).generator(),
            settings,
            layout,
            cutouts[group],
            ways[i],
            float(depths[i]),
            size,
            nearer,
        )
        shines = seed.child(TEXTURES, group, 1).generator()
        gloss = shines.uniform(0.15, 0.8) if shines.random() < settings.gloss else 0.0
        actor = CutoutActor(
            i + 1,
            f'{cutouts[group].name} {i + 1}',
            cutouts[group],
            size,
            track,
            drop=0.25,
            gloss=gloss,
        )
        actors.append(actor)
    if grasp is not None:
        held = actors[0]
        assert isinstance(held, CutoutActor)
        actors.append(_hand(seed.child(EVENT, 0), noise, grasp, held, count + 1, layout, settings))
    things, planes = scenery(seed.child(SCENERY), settings, layout, noise, colours, covers)
    rng = seed.child(LAYOUT, 1).generator()
    leader = np.stack([actors[0].centre(i) for i in range(settings.frames)])
    follow = np.arctan2(leader[:, :2], leader[:, 2:]) if rng.random() < 0.35 else None
    eye = camera_path(rng, settings.frames, settings.camera, follow)
    eye = disturbed(seed.child(CAMERA).generator(), eye, settings)
    actors = [*things, *actors]
    return random_world(name, settings, seed, layout.camera, eye, planes, actors, layout.depth)


def random_layout(rng: np.random.Generator, settings: RandomSettings) -> Layout:
    """A camera, and where objects, the wall and perhaps a floor are."""
    longer = max(settings.width, settings.height)
    camera = Camera(settings.width, settings.height, longer * rng.uniform(0.8, 1.5))
    depth = rng.uniform(2, 4)
    size = np.array([settings.width, settings.height])
    below = rng.uniform(0.35, 0.8) * settings.height / 2 * depth / camera.focal
    ground = below if rng.random() < settings.floor else None
    return Layout(camera, depth, depth * rng.uniform(1.6, 4), ground, size / size.min())


def _radii(rng: np.random.Generator, count: int, settings: RandomSettings) -> Array:
    """In units of half the shorter side; the more objects, the smaller."""
    low, high = 2 * settings.smallest, 2 * settings.largest
    high = max(low, high / max(1.0, count / 2.0) ** 0.5)
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def _groups(rng: np.random.Generator, count: int, identical: bool) -> np.ndarray:
    """The index of its appearance for every object."""
    groups = np.arange(count)
    if identical:
        groups[rng.permutation(count)[: int(rng.integers(2, count + 1))]] = count - 1
        groups[groups == count - 1] = groups.max()
    return groups


def _spread(count: int) -> Array:
    return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)


def _cutouts(
    seed: Seed,
    settings: RandomSettings,
    noise: NoiseBank,
    colours: Colours,
    groups: np.ndarray,
    radii: Array,
) -> dict[int, Cutout]:
    cutouts: dict[int, Cutout] = {}
    for group, radius in zip(groups, radii, strict=True):
        if int(group) in cutouts:
            continue
        rng = seed.child(int(group)).generator()
        kind = seed.child(int(group), 0)
        own = colours if rng.random() < settings.camouflage else None
        pixels = 1.6 * radius * min(settings.width, settings.height)
        texels = int(np.clip(pixels, *TEXELS))
        cutouts[int(group)] = random_cutout(kind, noise, texels, own, settings)
    return cutouts


def _ways(
    rng: np.random.Generator, settings: RandomSettings, layout: Layout, radii: Array
) -> Array:
    """(count, frames, 2) in the image's coordinates."""
    margin = float(np.median(radii)) * 0.7
    starts = apart(rng, len(radii), 2 * float(radii.max()), layout.half, margin)
    if len(radii) > 1 and rng.random() < settings.crossing:
        strength = min(1.0, settings.motion * rng.uniform(0.4, 1.1))
        miss = 0.3 * float(radii.mean())
        return crossing(rng, settings.frames, starts, strength, miss)
    return roaming(rng, settings.frames, starts, settings.motion, layout.half)


def track_on_way(
    rng: np.random.Generator,
    settings: RandomSettings,
    layout: Layout,
    cutout: Cutout,
    way: Array,
    depth: float,
    size: float,
    nearer: Array | None = None,
) -> Track:
    """How a cutout moves along a way (d, 2) in the image, at about a depth in m."""
    frames, strength = settings.frames, settings.motion
    seconds = frames / settings.rate
    z = depth * np.exp(wander(rng, frames, 0.12 * strength * rng.random())[:, 0])
    if nearer is not None:
        z = z * nearer
    unit = layout.metres(1.0)
    positions = np.stack([way[:, 0] * unit * z, way[:, 1] * unit * z, z], axis=-1)
    angles = np.zeros(frames)
    stretch = np.ones((frames, 2))
    if cutout.upright:
        angles += wander(rng, frames, 0.06 * strength)[:, 0]
    elif rng.random() < 0.7:
        turn = strength * rng.choice([0.2, 0.8, 2.5])
        angles += rng.uniform(0, 2 * np.pi) + wander(rng, frames, turn)[:, 0]
    if rng.random() < settings.tilts:  # it turns out of the image plane
        squeeze = 0.35 * strength * settings.tilt * rng.random()
        stretch[:, 0] = np.cos(np.clip(wander(rng, frames, squeeze * 2.5)[:, 0], -1.1, 1.1))
    if layout.ground is not None:
        foot = cutout.foot * size * np.abs(stretch[:, 1])
        limit = layout.ground - (foot if cutout.upright else 1.1 * size)
        positions[:, 1] = limit if cutout.upright else np.minimum(positions[:, 1], limit)
    turns = seconds * strength * rng.uniform(0.4, 2.2)
    gait = rng.random() + np.linspace(0, turns, frames)
    return Track(positions, angles, stretch, gait)


def ball_on_way(
    id_: int,
    texture: Texture,
    radius: float,
    way: Array,
    depth: float,
    layout: Layout,
    rng: np.random.Generator,
    nearer: Array | None = None,
    shades: bool = True,
) -> BallActor:
    """A ball that goes a way in the image; it turns as if it rolled on a floor."""
    z = np.full(len(way), depth) if nearer is None else depth * nearer
    unit = layout.metres(1.0)
    positions = np.stack([way[:, 0] * unit * z, way[:, 1] * unit * z, z], axis=-1)
    if layout.ground is not None:
        positions[:, 1] = np.minimum(positions[:, 1], layout.ground - radius)
    turns = rolling(positions, radius * float(rng.uniform(1, 6)), random_turn(rng))
    return BallActor(id_, f'ball {id_}', radius, texture, positions, turns, shades)


def _hand(
    seed: Seed,
    noise: NoiseBank,
    grasp: Grasp,
    held: CutoutActor,
    id_: int,
    layout: Layout,
    settings: RandomSettings,
) -> CutoutActor:
    """A hand or a gripper at the object that it holds."""
    rng = seed.generator()
    human = rng.random() < 0.6
    size = held.size * rng.uniform(0.8, 1.5)
    pixels = size / layout.metres(layout.depth) * min(settings.width, settings.height) / 2
    side = int(np.clip(2.4 * hands.REACH * pixels, 96, TEXELS[1])) // 16 * 16
    if human:
        cover = skin if rng.random() < 0.75 else material
        cutout = hands.hand(rng, cover((side, side), rng, noise, None))
    else:
        cover = metal if rng.random() < 0.6 else material
        cutout = hands.gripper(rng, cover((side, side), rng, noise, None))
    positions = held.track.positions.copy()
    positions[:, :2] += grasp.offset * layout.metres(1.0) * positions[:, 2:]
    frames = settings.frames
    angles = grasp.angle + wander(rng, frames, 0.1)[:, 0]
    flip = np.ones((frames, 2)) * (1, rng.choice([-1.0, 1.0]))
    track = Track(positions, angles, flip, hands.CLOSED * grasp.closed)
    return CutoutActor(id_, cutout.name, cutout, size, track, drop=0)
