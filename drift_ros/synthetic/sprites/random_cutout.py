"""A cutout of any kind."""

from __future__ import annotations

from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.sprites import outlines
from drift_ros.synthetic.sprites.articulated import THIN
from drift_ros.synthetic.sprites.creatures import CREATURES
from drift_ros.synthetic.sprites.cutout import Cutout, Part, waves
from drift_ros.synthetic.sprites.figures import FIGURES
from drift_ros.synthetic.sprites.sprite import sprite
from drift_ros.synthetic.textures.colours import Colours
from drift_ros.synthetic.textures.materials import material
from drift_ros.synthetic.textures.noise import NoiseBank
from drift_ros.synthetic.textures.surfaces import leaves, texture

SHAPES, LETTERS = 0.5, 0.08  # shares of kinds; the rest are creatures
SPAN = 1.4  # units that the raster of a flat shape reaches to each side


def random_cutout(
    seed: Seed,
    bank: NoiseBank,
    texels: int,
    colours: Colours | None,
    settings: RandomSettings,
    limbs: bool = True,
) -> Cutout:
    """A flat shape that may bend, letters, or a cutout with limbs.

    Args:
        seed: of its appearance; its geometry does not depend on `texels`.
        bank: noise tiles.
        texels: side of its raster in px.
        colours: of its texture; None draws them.
        settings: shares of materials and of kinds; the strength of bends where it may have limbs.
        limbs: whether it may have several parts.
    """
    size = -(-texels // 16) * 16
    special = seed.child(2).generator()
    if special.random() < settings.materials:
        surface = material((size, size), special, bank, colours)
    else:
        rng = seed.child(0).generator()
        cover = leaves if rng.random() < 0.12 else texture
        surface = cover((size, size), rng, bank, colours)
    rng = seed.child(1).generator()
    chosen = special.random() if limbs else 1.0
    if chosen < settings.thin + settings.figures:
        some = THIN if chosen < settings.thin else FIGURES
        return some[int(rng.integers(len(some)))](rng, surface)
    kind = rng.random()
    if limbs and kind > SHAPES + LETTERS:
        return CREATURES[int(rng.integers(len(CREATURES)))](rng, surface)
    if SHAPES < kind <= SHAPES + LETTERS:
        name, mask = 'letters', outlines.letters(rng, size, SPAN)
        bulge = 0.0
    else:
        name, mask = 'shape', outlines.shape(rng, size, SPAN)
        bulge = rng.choice([0.0, 0.2, 0.5, 0.9])
    part = Part(sprite(mask, surface, SPAN, bulge))
    deformation = settings.deformation if limbs else 1.0
    soft = deformation * rng.random() if rng.random() < 0.6 else 0.0
    return Cutout(name, (part,), waves(rng, soft) if soft > 0.02 else None)
