"""What the attention kernel and its adaptation cost.

    python benchmarks/attention.py sizes     # Stable Diffusion 2.1 at full size, no weights
    python benchmarks/attention.py times     # on this machine

`sizes` runs the published size of the UNet on the meta device, where tensors have shapes alone: the
grids and heads that are read, the weights, and what is remembered per frame, in half precision.
`times` runs the embedded model on a frame of 640x480 px, and a small Stable Diffusion with random
weights for textual inversion. The floor of a row is what cannot be saved, measured in the same run:
the passes of the network, and for the kernel a plain fused attention of the same shapes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from drift_ros import features
from drift_ros.adaptation.heads import HeadFit, answers
from drift_ros.adaptation.text import TextFit
from drift_ros.environment import machine
from drift_ros.features import Window
from drift_ros.features.attention import AttentionReader, parse_places
from drift_ros.features.cross_attention import TextConditioned
from drift_ros.features.embedded.attention import EmbeddedAttention
from drift_ros.features.image.stable_diffusion import LATENT_STRIDE, LAYERS
from drift_ros.features.truncation import shared_copy
from drift_ros.propagation import attend, one_hot, propagate, unit
from drift_ros.settings import (
    FeatureSettings,
    PropagationSettings,
    TextInversionSettings,
    TrackerSettings,
    build,
)
from drift_ros.tracking.prepare import network_size

HALF = 2  # bytes
MIB = 2**20
STABLE_DIFFUSION_2_1 = {
    'cross_attention_dim': 1024,
    'attention_head_dim': (5, 10, 20, 20),
    'use_linear_projection': True,
}
FRAMES = ((768, 768), (480, 854))  # height, width in px


def sizes() -> None:
    """A row per size of the frames and layers that are read."""
    print('| frame | layers | grid | heads | UNet read, MiB | keys per frame, MiB | matrix, MiB |')
    print('|---|---|---|---|---|---|---|')
    for height, width in FRAMES:
        side = network_size((height, width), min(height, width), 32)
        for layers in ('3', '2,3'):
            with torch.device('meta'):
                unet = UNet2DConditionModel(**STABLE_DIFFUSION_2_1)
                reader = AttentionReader(unet, parse_places(layers, LAYERS))
                latent = (side[0] // LATENT_STRIDE, side[1] // LATENT_STRIDE)
                given = torch.empty(1, 4, *latent), torch.tensor(51), torch.empty(1, 77, 1024)
                maps = reader.read(lambda unet=unet, given=given: unet(*given), latent)
            found = reader.descriptors(maps, side[0])
            weights = sum(weight.numel() for weight in unet.parameters())
            keys = sum(key.numel() for key in found.keys)
            matrix = sum((key.shape[2] * key.shape[3]) ** 2 for key in found.keys)
            grid = f'{found.grid[0]}x{found.grid[1]}'
            row = [f'{width}x{height}', layers, grid, str(len(found.keys))]
            row += [f'{HALF * count / MIB:.0f}' for count in (weights, keys, matrix)]
            print('| ' + ' | '.join(row) + ' |')
    print('\nmatrix: all heads, one remembered frame; it is never held')


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs, after one that is not counted."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def row(name: str, taken: float, floor: float) -> None:
    print(f'| {name} | {1000 * taken:.1f} | {1000 * floor:.1f} | {taken / floor:.2f} |', flush=True)


def times(repeats: int, remembered: int) -> None:
    """A row per part."""
    print('| part | ms | floor, ms | ratio |')
    print('|---|---|---|---|')
    image = torch.randint(0, 256, (3, 480, 640), dtype=torch.uint8)
    window = Window(image[None], (0,), 1)
    _frame(window, repeats, remembered)
    _text(Window(image[None, :, ::4, ::4].contiguous(), (0,), 1), repeats)


def _embedded(**values: object) -> EmbeddedAttention:
    given = {name.replace('__', '.'): value for name, value in values.items()}
    found = features.create(build(FeatureSettings, {'name': 'embedded-attention'} | given))
    assert isinstance(found, EmbeddedAttention)
    return found


def _frame(window: Window, repeats: int, remembered: int) -> None:
    """Reading a frame, the kernel, and weights of heads."""
    plain = _embedded()
    blocks = [int(layer.split('.')[0]) for layer, head in plain.heads if not head]
    noisy = torch.randn(1, 1, 3, 240, 320)
    level = torch.zeros(1, 1)

    @torch.no_grad()
    def read() -> None:
        plain.model.queries_and_keys(noisy, level, blocks)

    @torch.no_grad()
    def whole() -> None:
        plain.model(noisy, level, join=False)

    once, full = seconds(read, repeats), seconds(whole, repeats)
    row('queries and keys of a frame', seconds(lambda: plain.extract(window), repeats), once)
    steps = 10
    inverted = _embedded(noise='inversion', inversion_steps=steps)
    taken = seconds(lambda: inverted.extract(window), repeats)
    row(f'the same after {steps} steps of inversion', taken, once + steps * full)
    found = plain.extract(window)
    labels = torch.rand(remembered, 2, *found.grid)
    queries = [query[0] for query in found.queries]
    keys = [key.expand(remembered, -1, -1, -1).contiguous() for key in found.keys]
    floor = _fused(queries, keys, repeats)
    taken = seconds(lambda: attend(queries, keys, labels), repeats)
    row(f'kernel, {remembered} frames remembered', taken, floor)
    settings = PropagationSettings()
    taken = seconds(
        lambda: attend(queries, keys, labels, top_k=settings.top_k, radius=settings.radius // 2),
        repeats,
    )
    row('the same in a window, top-k', taken, floor)
    descriptors = features.create(build(FeatureSettings, {'name': 'embedded-image'}))
    cells = unit(descriptors.extract(window).features, 1)
    memory = cells.expand(remembered, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    fine = torch.rand(remembered, 2, *cells.shape[2:])
    taken = seconds(
        lambda: propagate(
            cells[0], memory, fine, temperature=0.1, top_k=10, radius=12, normalized=True
        ),
        repeats,
    )
    row('for comparison, cosine of features (stride 8)', taken, floor)
    hard = one_hot(
        torch.arange(640).expand(480, 640).gt(320).numpy().astype('uint8'), 2, found.grid
    )
    both = _embedded(attention__layers='0,1').extract(window)

    def fit(steps: int = 200) -> None:
        given = [q[0] for q in both.queries], [k[0] for k in both.keys]
        weights = HeadFit(answers(*given, hard, 1), hard, 0.1)
        for _ in range(steps):
            weights.step()

    given = [q[0] for q in both.queries], list(both.keys)
    row('weights of 6 heads, 200 steps', seconds(fit, 1), _fused(*given, repeats))


def _fused(queries: Sequence[torch.Tensor], keys: Sequence[torch.Tensor], repeats: int) -> float:
    """Plain attention of the same shapes, with as many values as channels."""
    flat = [
        (query.flatten(1).T[None, None].contiguous(), key.transpose(0, 1).flatten(1).T[None, None])
        for query, key in zip(queries, keys, strict=True)
    ]
    flat = [(query, key.contiguous()) for query, key in flat]

    def run() -> None:
        for query, key in flat:
            functional.scaled_dot_product_attention(query, key, key, scale=1.0)

    return seconds(run, repeats)


def _text(window: Window, repeats: int) -> None:
    """A step of textual inversion on a small network, beside a pass there and back."""
    given = {
        'features.name': 'image-attention',
        'features.image.model': 'sd-2.1',
        'features.image.checkpoint': 'untrained',
    }
    extractor = features.create(build(TrackerSettings, given).features)
    assert isinstance(extractor, TextConditioned)
    side = window.images.shape[2] // LATENT_STRIDE, window.images.shape[3] // LATENT_STRIDE
    unet = shared_copy(extractor.unet)  # type: ignore[attr-defined]
    latent = torch.randn(1, 4, *side, requires_grad=True)
    text = extractor.prompt.clone().requires_grad_()

    def there_and_back() -> None:
        out = unet(latent, torch.tensor(51), text, return_dict=False)[0]
        torch.autograd.grad(out.square().mean(), text)

    floor = seconds(there_and_back, repeats)
    labels = torch.zeros(3, *side)
    labels[1, :4], labels[2, 4:] = 1, 1
    for passes in ('joint', 'each'):
        chosen = TextInversionSettings.model_validate({'passes': passes})
        fit = TextFit(extractor.view(window.images[0], 0, ''), extractor.prompt, labels, chosen)
        name = f'textual inversion, a step of 2 targets, {passes}'
        row(name, seconds(fit.step, repeats), floor)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('what', choices=['sizes', 'times'])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--frames', type=int, default=2, help='that are remembered')
    options = parser.parse_args()
    if options.what == 'sizes':
        sizes()
        return
    torch.set_num_threads(1)
    times(options.repeats, options.frames)
    print('\n' + ', '.join(f'{key}: {value}' for key, value in machine().items()))


if __name__ == '__main__':
    main()
