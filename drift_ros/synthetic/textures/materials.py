"""Surfaces after real ones: their statistics, not their pictures.

Each is a function (size, rng, bank, colours) -> (H, W, 3) uint8; colours of None are drawn, and
materials with colours of their own ignore them.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drift_ros.synthetic.textures.colours import Colours, Texture, colourise, palette, scaled
from drift_ros.synthetic.textures.noise import COARSE, GRAIN, TILE, NoiseBank, Values
from drift_ros.synthetic.textures.patterns import Size, pattern

Rng = np.random.Generator
Material = Callable[[Size, Rng, NoiseBank, Colours | None], Texture]
CALM = 0.05  # share of vivid palettes
SKIN = ((244, 208, 177), (231, 180, 143), (198, 134, 96), (141, 85, 54), (88, 56, 40))
WOOD = ((196, 152, 104), (150, 104, 62), (104, 70, 44), (208, 176, 132), (88, 78, 70))
GREENS = ((52, 74, 34), (86, 112, 48), (120, 132, 62), (150, 146, 84), (44, 66, 52))
TEXT = 'abcdefghijklmnopqrstuvwxyzABCDEFGHKLMNPRSTUVXYZ0123456789%&/()=?.,:;-  '


def natural(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Regions with curved, shaded edges, each with the 1/f spectrum of photographs."""
    image = _cloudy(size, rng, bank, colours)
    for _ in range(int(rng.integers(1, 4))):
        field = bank.view(size, rng, min(size) / 160 * rng.uniform(0.7, 3), COARSE + _below(rng, 3))
        level = np.float32(rng.uniform(0.35, 0.65))
        other = _cloudy(size, rng, bank, None if rng.random() < 0.6 else colours)
        image = np.where((field > level)[..., None], other, image)
        # What lies behind an edge is darker close to it, as if in its shadow.
        away = np.maximum(level - field, 0) * np.float32(rng.uniform(8, 30))
        depth = np.float32(rng.uniform(0, 0.5)) * (field <= level)
        image = scaled(image, 1 - depth * cv2.exp(-away))
    return image


def wood(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Rings cut along the grain, and fibres; sometimes planks."""
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    fibres = streaks(size, rng, bank, 12, angle, GRAIN + 2)
    rings = streaks(size, rng, bank, 5, angle, COARSE) * np.float32(rng.uniform(6, 22))
    values = np.float32(0.5) + np.float32(0.35) * np.sin(rings) + np.float32(0.3) * (fibres - 0.5)
    image = colourise(values, _tones(rng, WOOD, 0.25))
    if rng.random() < 0.35:
        across = _axis(size, angle + np.pi / 2) / np.float32(min(size) / rng.uniform(3, 8))
        plank = np.floor(across)
        gain = 0.8 + 0.3 * _hash(plank)
        gain = np.where(across - plank < 0.04, np.float32(0.35), gain)
        image = scaled(image, gain.astype(np.float32))
    return image


def fabric(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Threads woven at right angles or in twill, on folds, over a printed pattern."""
    base = palette(rng, 3) if colours is None else colours
    printed = pattern(size, rng, bank) if rng.random() < 0.6 else np.full(size, 0.5, np.float32)
    image = colourise(printed, base)
    period, turn = np.float32(2 * np.pi / rng.uniform(2.5, 7)), rng.uniform(0, np.pi / 2)
    warp, weft = (np.sin(_axis(size, turn + t) * period) for t in (0, rng.choice([0.8, np.pi / 2])))
    thread = np.maximum(warp, weft) if rng.random() < 0.6 else warp * weft
    folds = bank.view(size, rng, min(size) / 160 * rng.uniform(0.8, 2.5), COARSE + 1) - 0.5
    gain = 1 + np.float32(rng.uniform(0.03, 0.2)) * thread + np.float32(rng.uniform(0, 0.9)) * folds
    return scaled(image, gain)


def skin(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Even skin with redder and paler places, pores and a few marks."""
    tone = np.array(SKIN[_below(rng, len(SKIN))], np.float32) * np.float32(rng.uniform(0.8, 1.1))
    flush = bank.view(size, rng, min(size) / 150 * rng.uniform(0.5, 2), COARSE) - 0.5
    image = np.empty((*size, 3), np.float32)
    image[...] = tone
    image += flush[..., None] * np.array([26, 40, 36], np.float32)
    for _ in range(_below(rng, 6)):
        place = tuple(int(rng.integers(side)) for side in size[::-1])
        cv2.circle(image, place, 1 + _below(rng, 2), (tone * 0.6).tolist(), -1, cv2.LINE_AA)
    pores = bank.view(size, rng, rng.uniform(0.7, 1.3), GRAIN + 1)
    return scaled(cv2.convertScaleAbs(image), np.float32(0.94) + np.float32(0.12) * pores)


def fur(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Short hair in one direction, with lighter and darker places or markings."""
    hair = streaks(
        size, rng, bank, rng.uniform(4, 9), rng.uniform(0, np.pi), GRAIN + _below(rng, 3)
    )
    marks = bank.view(size, rng, min(size) / 160 * rng.uniform(0.7, 2), COARSE + _below(rng, 3))
    if rng.random() < 0.4:
        marks = np.clip((marks - 0.5) * np.float32(rng.uniform(4, 20)) + 0.5, 0, 1)
    base = _tones(rng, WOOD, 0.6) if colours is None else colours
    return scaled(colourise(marks, base), np.float32(0.65) + np.float32(0.7) * hair)


def grass(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Blades that stand about upright, in lighter and darker patches."""
    turns = np.pi / 2 + rng.normal(0, 0.25, 2)
    one, other = (streaks(size, rng, bank, rng.uniform(3, 8), t, GRAIN + 1) for t in turns)
    patches = bank.view(size, rng, min(size) / 160 * rng.uniform(0.6, 2), COARSE)
    values = np.clip(np.maximum(one, other) * 1.4 - 0.35, 0, 1) * 0.75 + 0.25 * patches
    return colourise(values, _tones(rng, GREENS, 0.5))


def foliage(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Leaves of about one size that hide each other, those in front in the light."""
    count = int(rng.integers(150, 420))
    length = min(size) * rng.uniform(0.03, 0.09) * rng.uniform(0.6, 1.3, (count, 1))
    turn, slender = rng.uniform(0, 2 * np.pi, (count, 1)), rng.uniform(0.25, 0.6)
    t = np.linspace(0, 2 * np.pi, 9)[:-1]
    x, y = length * np.cos(t), length * slender * np.sin(t) * (1 - 0.4 * np.cos(t))
    middle = rng.random((2, count, 1)) * np.array(size[::-1])[:, None, None]
    outlines = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)])
    corners = np.rint((outlines + middle).transpose(1, 2, 0)).astype(np.int32)
    index = np.zeros(size, np.uint8)
    for i in range(count):
        cv2.fillConvexPoly(index, corners[i], 1 + 254 * i // count)
    tones = _tones(rng, GREENS, 0.6) if rng.random() < 0.75 else palette(rng, 5, 0.3)
    lit = np.linspace(0.25, 1.25, 256, dtype=np.float32)[:, None]
    table = tones[rng.integers(len(tones), size=256)] * lit + 10 * rng.standard_normal((256, 3))
    image = np.take(np.clip(table, 0, 255).astype(np.uint8), index, axis=0)
    return scaled(image, np.float32(0.7) + np.float32(0.6) * bank.view(size, rng, 1.5))


def water(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Waves with bright crests, broader than high."""
    crests = [
        streaks(size, rng, bank, ratio, rng.normal(0, 0.15), COARSE - k)
        for k, ratio in enumerate(rng.uniform(2, 5, 2))
    ]
    ridge = 1 - np.abs(2 * (0.65 * crests[0] + 0.35 * crests[1]) - 1)
    base = palette(rng, 3, CALM) if colours is None else colours
    image = colourise(crests[0], np.array(sorted(base.tolist(), key=sum), np.float32))
    shine = np.clip((ridge - np.float32(rng.uniform(0.8, 0.93))) * 14, 0, 1) * np.float32(120)
    return cv2.add(image, cv2.convertScaleAbs(cv2.merge([shine] * 3)))


def metal(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Brushed or painted metal: broad reflections, fine lines, rust or scratches."""
    turn = rng.uniform(0, np.pi)
    broad = 0.5 + 0.5 * np.sin(_axis(size, turn) * np.float32(rng.uniform(4, 16) / min(size)))
    lines = streaks(size, rng, bank, 25, turn, GRAIN)
    values = 0.25 + 0.5 * broad + np.float32(rng.uniform(0.05, 0.3)) * (lines - 0.5)
    base = palette(rng, 3, 0.5)[1:2]
    image = colourise(values, np.concatenate([base * 0.4, base, base * 0.4 + 150]).clip(0, 255))
    if rng.random() < 0.4:
        worn = bank.view(size, rng, min(size) / 160, COARSE - 1) > rng.uniform(0.7, 0.9)
        image[worn] = (image[worn] * 0.4 + np.array([60, 38, 24]) * 0.6).astype(np.uint8)
    return image


def ground(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Asphalt, sand, plaster, concrete, carpet: fine grain of low contrast, with stains."""
    base = palette(rng, 3, 0)[1:2] if colours is None else colours[1:2]
    spread = np.float32(rng.uniform(0.1, 0.5))
    fine = bank.view(size, rng, rng.uniform(0.8, 2), GRAIN + _below(rng, 2))
    stains = bank.view(size, rng, min(size) / 160 * rng.uniform(0.8, 2.5), 4 + _below(rng, 3))
    gain = 1 + spread * (fine - 0.5) + np.float32(rng.uniform(0, 0.5)) * (stains - 0.5)
    return scaled(np.broadcast_to(base[0].astype(np.uint8), (*size, 3)).copy(), gain)


def panes(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """A regular grid: windows of a front, tiles, shelves, a keyboard, a fence of mesh."""
    base = palette(rng, 4, 0.1) if colours is None else colours
    pitch = min(size) / rng.uniform(3, 14)
    aspect, joint = rng.uniform(0.5, 2), rng.uniform(0.08, 0.45)
    x = np.arange(size[1], dtype=np.float32) / np.float32(pitch * aspect)
    y = np.arange(size[0], dtype=np.float32)[:, None] / np.float32(pitch)
    column, row = np.floor(x), np.floor(y)
    spread = np.float32(rng.choice([0.0, 0.15, 1.0]))
    values = 0.5 + spread * (_hash(column * 17.13 + row * 7.77) - 0.5)
    image = colourise(values, base[1:] if len(base) > 2 else base)
    u, v = x - column, y - row
    image = scaled(image, np.float32(0.85) + np.float32(0.3) * np.broadcast_to(v, size))
    image[(u < joint) | (v < joint * rng.uniform(0.3, 1.2))] = base[0].astype(np.uint8)
    return scaled(image, np.float32(0.85) + np.float32(0.3) * bank.view(size, rng, min(size) / 100))


def writing(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    """Lines of print, labels and bar codes on paper or packaging."""
    two = palette(rng, 2, 0.5) if colours is None or rng.random() < 0.5 else colours[[0, -1]]
    image = np.empty((*size, 3), np.uint8)
    image[...] = two[1] if rng.random() < 0.6 else np.full(3, rng.uniform(190, 250))
    ink = [int(c) for c in two[0]] if rng.random() < 0.5 else [int(rng.integers(50))] * 3
    y = 0.0
    while y < size[0]:
        scale = float(np.exp(rng.uniform(np.log(0.25), np.log(1.3)))) * min(size) / 220
        y += 30 * scale + 2
        if rng.random() < 0.12:
            bars = np.repeat(rng.random(size[1] // 2 + 1) < 0.5, 2)[: size[1]]
            image[int(y - 24 * scale) : int(y), bars] = ink
            continue
        text = ''.join(rng.choice(list(TEXT), int(rng.integers(4, 40))))
        start = int(rng.uniform(-0.1, 0.3) * size[1])
        font = int(rng.integers(0, 5))
        weight = 1 + int(scale * rng.uniform(0.5, 3))
        cv2.putText(image, text, (start, int(y)), font, scale, ink, weight, cv2.LINE_AA)
    return scaled(image, np.float32(0.88) + np.float32(0.2) * bank.view(size, rng, 2.0, COARSE))


MATERIALS: tuple[tuple[Material, float], ...] = (
    (natural, 0.24), (wood, 0.08), (fabric, 0.14), (skin, 0.05), (fur, 0.09), (grass, 0.05),
    (foliage, 0.08), (water, 0.04), (metal, 0.07), (ground, 0.08), (panes, 0.05), (writing, 0.03),
)  # fmt: skip
GROUNDS: tuple[Material, ...] = (grass, ground, ground, wood, water, panes, natural, fabric)
BACKS: tuple[Material, ...] = (foliage, panes, natural, ground, wood, grass, fabric)


def material(
    size: Size,
    rng: Rng,
    bank: NoiseBank,
    colours: Colours | None = None,
    kinds: tuple[Material, ...] | None = None,
) -> Texture:
    """One of all materials; now and then repeated as tiles, or of hardly any contrast."""
    if kinds is None:
        functions, weights = zip(*MATERIALS, strict=True)
        chosen = functions[int(rng.choice(len(functions), p=np.array(weights)))]
    else:
        chosen = kinds[_below(rng, len(kinds))]
    image = chosen(size, rng, bank, colours)
    kind = rng.random()
    if kind < 0.07:
        tile = max(16, int(min(size) * rng.uniform(0.1, 0.35)))
        times = [-(-side // tile) for side in size]
        image = np.tile(image[:tile, :tile], (*times, 1))[: size[0], : size[1]]
    elif kind < 0.22:
        keep = rng.uniform(0.08, 0.4)
        mean = image.reshape(-1, 3).mean(0) * (1 - keep)
        image = (image * np.float32(keep) + mean.astype(np.float32)).astype(np.uint8)
    return np.ascontiguousarray(image)


def room(size: Size, rng: Rng, bank: NoiseBank) -> Texture:
    """A wall with things of other materials before it that throw soft shadows on it."""
    image = material(size, rng, bank, palette(rng, 4, CALM), BACKS)
    for _ in range(_below(rng, 9)):
        height, width = (int(side * rng.uniform(0.08, 0.45)) for side in size)
        top, left = (int(rng.uniform(-0.1, 0.9) * side) for side in size)
        rows, columns = slice(max(0, top), top + height), slice(max(0, left), left + width)
        below = image[rows.start + 6 : rows.stop + 6, columns.start + 4 : columns.stop + 4]
        below[...] = below // 5 * 3
        target = image[rows, columns]
        if target.size:
            target[...] = material(target.shape[:2], rng, bank)
    return image


def outdoors(size: Size, rng: Rng, bank: NoiseBank) -> Texture:
    """A sky, and before it foliage, fronts of houses and ground, hazy where they are far."""
    height, width = size
    sky = np.linspace(0, 1, height, dtype=np.float32)[:, None] * np.ones(width, np.float32)
    drift = streaks(size, rng, bank, 2.5, 0, COARSE) * np.float32(rng.uniform(0, 0.6))
    image = colourise(
        np.clip(sky + drift, 0, 1), np.array([(120, 160, 210), (226, 232, 238)], np.float32)
    )
    haze = image.reshape(-1, 3).mean(0).astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    tops = np.sort(rng.uniform(0.05, 0.85, int(rng.integers(2, 5))))
    for i, top in enumerate(tops):
        rough = rng.uniform(0.02, 0.35) if rng.random() < 0.7 else 0.0
        line = bank.view((1, width), rng, rng.uniform(0.4, 2.5), int(rng.integers(1, 8)))[0]
        edge = height * (np.float32(top) + np.float32(rough) * (line - 0.5))
        first = min(max(0, int(edge.min())), height - 8)
        kinds = GROUNDS if i == len(tops) - 1 else BACKS
        layer = material((height - first, width), rng, bank, palette(rng, 4, CALM), kinds)
        far = np.float32(rng.uniform(0, 0.6) * (1 - (i + 1) / len(tops)))
        layer = (layer + (haze - layer) * far).astype(np.uint8)
        np.copyto(image[first:], layer, where=(rows[first:] > edge)[..., None])
    return image


def surroundings(size: Size, rng: Rng, bank: NoiseBank) -> Texture:
    """A background: outdoors, a room, or one material; sharp or out of focus."""
    kind = rng.random()
    if kind < 0.4:
        image = outdoors(size, rng, bank)
    elif kind < 0.75:
        image = room(size, rng, bank)
    else:
        image = material(size, rng, bank, palette(rng, 4, CALM))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3))
    return image


def streaks(size: Size, rng: Rng, bank: NoiseBank, ratio: float, angle: float, tile: int) -> Values:
    """Noise that is longer along a direction than across it.

    Args:
        size: (H, W) in px.
        ratio: length over width.
        angle: of the direction in rad, from right to down.
    """
    zoom = max(1.0, min(size) / 220) * rng.uniform(0.8, 1.6)
    c, s = np.cos(angle) / zoom, np.sin(angle) / zoom
    x, y = rng.uniform(0, TILE, 2)
    matrix = np.array([[c / ratio, s / ratio, x], [-s, c, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        bank.tiles[tile], matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_WRAP
    )


def _cloudy(size: Size, rng: Rng, bank: NoiseBank, colours: Colours | None) -> Texture:
    base = palette(rng, 4, CALM) if colours is None else colours
    noise = bank.view(size, rng, min(size) / 160 * 2.0 ** rng.uniform(-1, 1), 1 + _below(rng, 4))
    return colourise(noise, base)


def _tones(rng: Rng, tones: tuple[tuple[int, int, int], ...], spread: float) -> Colours:
    """From dark to light around one or two of some colours (4, 3)."""
    first, second = (np.array(tones[_below(rng, len(tones))], np.float32) for _ in range(2))
    steps = np.linspace(1 - spread, 1 + spread, 4, dtype=np.float32)[:, None]
    mixed = first + (second - first) * np.linspace(0, 1, 4, dtype=np.float32)[:, None]
    return np.clip(mixed * steps * np.float32(rng.uniform(0.8, 1.15)), 0, 255).astype(np.float32)


def _axis(size: Size, angle: float) -> Values:
    """Px along a direction."""
    y = np.arange(size[0], dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    return y + np.arange(size[1], dtype=np.float32) * np.float32(np.cos(angle))


def _hash(values: Values) -> Values:
    """Numbers in 0..1 that look random, the same for the same value."""
    mixed = np.sin(values * np.float32(12.9898)) * np.float32(43758.547)
    return (mixed - np.floor(mixed)).astype(np.float32)


def _below(rng: Rng, end: int) -> int:
    return int(rng.integers(end))
