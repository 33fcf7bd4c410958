"""Every setting of the library, declared once.

A field carries its description, unit and range; the node's parameters, the command line and the
reference page are made from it. Names are dotted: `features.noise_level` is
`TrackerSettings.features.noise_level`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from drift_ros.errors import SettingsError, shown
from drift_ros.pictures import MAX_PIXELS, MOST_PIXELS
from drift_ros.settings_file import read_yaml as read_yaml  # for all who read settings

Model = TypeVar('Model', bound='Settings')
PLACES = r'^(\d+(\.\d+)?(,\d+(\.\d+)?)*)?$'  # of layers: `3` or `2.0,3.1`


class ZeroOr:
    """Rule of a setting that 0 turns off: otherwise it is at least `least`."""

    def __init__(self, least: float) -> None:
        self.least = least

    def __str__(self) -> str:
        return f'0 or at least {self.least:g}'

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: float) -> float:
        if 0 < value < self.least:
            raise ValueError(f'must be {self}')
        return value


class Settings(BaseModel):
    """A group of settings. Unknown names and values out of range are refused."""

    model_config = ConfigDict(extra='forbid', frozen=True, validate_default=True)


class VideoUnetSettings(Settings):
    """The video UNet: R_v of the papers."""

    model: Literal['i2vgen-xl', 'svd', 'svd-xt', 'modelscope'] = Field(
        'i2vgen-xl', description='Which video diffusion model describes a window of frames.'
    )
    checkpoint: str = Field(
        '',
        description='Folder with the weights, or id on the Hugging Face hub (used from its cache '
        'if '
        'it is there, else downloaded); empty: the published one of the model; `untrained`: a '
        'small '
        'model of the same class with random weights, to try the code path.',
    )
    block: int = Field(
        2,
        ge=0,
        le=3,
        description='Decoder block whose output is the feature map, 0 = deepest.',
    )
    noise_level: int = Field(
        300,
        ge=0,
        le=998,
        description='Diffusion timestep tau at which frames are noised before the UNet sees them; '
        'Stable Video Diffusion, which has no timesteps, reads it on the schedule of I2VGen-XL.',
    )
    snr: Annotated[float, ZeroOr(1e-4)] = Field(
        0.0,
        ge=0,
        le=1e6,
        description='Noise level as signal-to-noise ratio, which means the same on every model; 0 '
        'takes noise_level.',
    )
    ensemble: int = Field(
        1, ge=1, le=64, description='Draws of the noise over which features are averaged.'
    )
    temporal: bool = Field(
        True,
        description='Whether temporal layers are run; without them the network sees each frame '
        'alone (the ablation R_v without temporal layers).',
    )
    prompt: str = Field('', description='Text condition of models that take one.')
    fps: int = Field(
        0,
        ge=0,
        le=240,
        description='Frame rate given to the model; 0 takes the one of its pipeline (I2VGen-XL '
        '16, Stable Video Diffusion 7).',
    )
    motion_bucket: int = Field(
        127,
        ge=0,
        le=1023,
        description='Motion bucket given to Stable Video Diffusion: more means more motion.',
    )
    condition_noise: float = Field(
        0.02,
        ge=0,
        le=10,
        description='Noise that Stable Video Diffusion adds to its condition image, as standard '
        'deviation of pixels in [-1, 1].',
    )


class ImageUnetSettings(Settings):
    """The image UNet: R_i of the papers, DIFT on its own."""

    model: Literal['adm', 'sd-2.1', 'sd-1.5'] = Field(
        'adm', description='Which image diffusion model describes a single frame.'
    )
    checkpoint: str = Field(
        '',
        description='Folder with the weights (for adm also the original .pt file), or id on the '
        'Hugging Face hub; empty: the published one of the model; `untrained`: a small model of '
        'the '
        'same class with random weights.',
    )
    block: int = Field(
        -1,
        ge=-1,
        le=17,
        description='Decoder block that is read, 0 = deepest: 0 to 17 of adm, 0 to 3 of Stable '
        'Diffusion; -1 takes the one of the papers (7 and 2).',
    )
    layer: int = Field(
        -1,
        ge=-1,
        le=15,
        description='Layer inside the block of Stable Diffusion after which to stop; -1 reads the '
        'whole block.',
    )
    noise_level: int = Field(
        51, ge=0, le=998, description='Diffusion timestep t at which the frame is noised.'
    )
    snr: Annotated[float, ZeroOr(1e-4)] = Field(
        0.0,
        ge=0,
        le=1e6,
        description='Noise level as signal-to-noise ratio, which means the same on every model; 0 '
        'takes noise_level.',
    )
    ensemble: int = Field(
        1, ge=1, le=64, description='Draws of the noise over which features are averaged.'
    )
    prompt: str = Field('', description='Text condition of models that take one.')


class EmbeddedSettings(Settings):
    """The small model that comes with the package."""

    checkpoint: str = Field(
        '',
        description='Folder of a training by `drift train-embedded`; empty: the weights that come '
        'with the package.',
    )
    snr: float = Field(
        20.0,
        ge=1e-4,
        le=1e6,
        description='Signal-to-noise ratio at which frames are read; the weights were trained to '
        'match at 20.',
    )


class VideoDitSettings(Settings):
    """The video diffusion transformer: DiffTrack."""

    model: Literal['cogvideox-2b', 'cogvideox-5b', 'hunyuanvideo'] = Field(
        'cogvideox-2b', description='Which video transformer describes a window of frames.'
    )
    checkpoint: str = Field(
        '',
        description='Folder with the weights, or id on the Hugging Face hub; empty: the published '
        'one of the model; `untrained`: a small model of the same class with random weights.',
    )
    layers: str = Field(
        '',
        pattern=r'^(\d+(,\d+)*)?$',
        description='Layers whose queries and keys are read, with commas, 0 = first; those of '
        'HunyuanVideo with a stream each for video and text come first. Empty takes the one of '
        'DiffTrack (17; 16 of HunyuanVideo). What lies behind the last one is not loaded.',
    )
    timestep: float = Field(
        -1.0,
        ge=-1,
        le=1000,
        description='Time of the pass that is given to the model; the frames are not noised. -1 '
        'takes that of the last step, as DiffTrack: 19 of CogVideoX, 194.4 of HunyuanVideo.',
    )
    prompt: str = Field('', description='Text condition.')


class AttentionSettings(Settings):
    """What is read of self-attention (extractors `image-attention` and `embedded-attention`)."""

    layers: str = Field(
        '',
        pattern=PLACES,
        description='Self-attention layers of the decoder whose queries and keys are read: blocks '
        '(0 = deepest), or blocks with layers, such as `3` or `2.0,3.1`; empty takes the block '
        'with the finest grid that attends (3 of Stable Diffusion, 2 of ADM as diffusers counts '
        'them, 1 of the embedded model).',
    )
    compare: Literal['queries', 'keys'] = Field(
        'queries',
        description='What is compared with the keys of remembered frames: the `queries` of a '
        'frame, as in attention, or its `keys`, which find what is alike rather than context.',
    )
    temperature: float = Field(
        1.0,
        ge=1e-3,
        le=1e3,
        description='Temperature of the softmax, as a factor on that of the model: below 1 fewer '
        'cells count.',
    )


class FeatureSettings(Settings):
    """Which networks describe the frames, and how they are run."""

    name: str = Field(
        'embedded',
        description='Feature extractor: a name of the registry (`drift extractors` lists them).',
    )
    device: str = Field(
        'auto',
        pattern=r'^(auto|cpu|cuda(:\d+)?)$',
        description='Where the networks run: `auto` (a CUDA GPU if there is one, else the CPU), '
        '`cpu`, `cuda` or `cuda:N`. A GPU that was asked for and is not there is an error.',
    )
    dtype: Literal['auto', 'float32', 'float16', 'bfloat16'] = Field(
        'auto',
        description='Number format of the networks; `auto` is float16 on a GPU and float32 on the '
        'CPU.',
    )
    resolution: int = Field(
        480,
        ge=0,
        le=4096,
        description='Length in px to which the short side of a frame is brought before feature '
        'extraction; 0 keeps the size of the camera.',
        json_schema_extra={'camera': True},
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description='Seed of the diffusion noise; the same seed gives the same masks.',
    )
    alpha: float = Field(
        0.4,
        ge=0,
        le=1,
        description='Weight of the video features in `fused`; the image features get the rest. At '
        '1 '
        'and at 0 only one of the two networks is loaded.',
    )
    batch: int = Field(
        4,
        ge=1,
        le=128,
        description='Images per pass of networks that see single images (VAE, image UNet); more '
        'is faster on a large GPU and takes more memory.',
    )
    tiny_vae: str = Field(
        '',
        description='Folder or hub id of a distilled VAE (AutoencoderTiny, such as '
        'madebyollin/taesd) that takes the place of the encoder of latent models: several times '
        'faster, slightly other latents. It must be made for Stable Diffusion 1 or 2 (not taesdxl, '
        'which cannot be recognised by its files); empty: the own VAE of each model.',
    )
    noise: Literal['random', 'inversion'] = Field(
        'random',
        description='Where the noise of image models comes from: `random`, drawn anew for each '
        'frame, or `inversion`, the deterministic one that the model itself would have made the '
        'frame from (DDIM inversion). It costs a whole pass of the network per step.',
    )
    inversion_steps: int = Field(
        10, ge=1, le=1000, description='Steps of the inversion from the clean frame to its level.'
    )
    compile: bool = Field(
        False,
        description='Whether UNets are compiled by torch.compile: faster after a first pass of '
        'minutes. Where that fails they run uncompiled.',
    )
    video: VideoUnetSettings = VideoUnetSettings()
    image: ImageUnetSettings = ImageUnetSettings()
    dit: VideoDitSettings = VideoDitSettings()
    attention: AttentionSettings = AttentionSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()


class WindowSettings(Settings):
    """How the stream of frames is cut into windows."""

    length: int = Field(
        0,
        ge=0,
        le=128,
        description='Frames that the extractor sees together; 0 takes the length that the model '
        'was made for. Extractors that take a stream frame by frame do not use it.',
    )
    stride: int = Field(
        0,
        ge=0,
        le=128,
        description='New frames per window, and so the latency in frames; 0 takes the window '
        'length (windows that do not overlap), and 1 for extractors that take a stream frame by '
        'frame. A smaller stride costs more passes and lowers the latency.',
    )
    history: int = Field(
        32,
        ge=1,
        le=1024,
        description='Most recent frames that are kept, so that a prompt can name one of them.',
    )
    may_shrink: bool = Field(
        False,
        description='Whether the window may be halved until it fits when the device has too little '
        'memory; otherwise that is an error.',
    )


class PropagationSettings(Settings):
    """How labels travel from remembered frames to the current one."""

    temperature: float = Field(
        0.1, ge=1e-3, le=10, description='Softmax temperature of the affinity, dimensionless.'
    )
    top_k: int = Field(
        10,
        ge=1,
        le=4096,
        description='Strongest matches per cell that vote, over all remembered frames together.',
    )
    radius: int = Field(
        12,
        ge=0,
        le=512,
        description='Half width of the square search window in feature cells, or radius of the '
        'disc; 0 searches the whole frame.',
    )
    window: Literal['square', 'disc'] = Field(
        'square',
        description='Shape of the search window: `square` (DINO, DIFT, TED) or `disc` (CRW: cells '
        'nearer than the radius).',
    )
    mask_references: bool = Field(
        True,
        description='Whether the window holds for prompted frames too (DINO, DIFT, TED). Without '
        'it they are searched as a whole (CRW), which finds targets again elsewhere and costs more '
        'time.',
    )
    attention_window: bool = Field(
        False,
        description='Whether attention is limited to `top_k` matches inside `radius`, as features '
        'are; else it is one softmax over all remembered frames (extractors that read attention '
        'only, which use neither temperature nor similarity).',
    )
    similarity: Literal['cosine', 'dot'] = Field(
        'cosine',
        description='Similarity of descriptors: `cosine`, or `dot` for the scalar product of '
        'descriptors as the extractor gives them.',
    )
    channels: int = Field(
        0,
        ge=0,
        le=4096,
        description='Channels that descriptors are reduced to before they are matched; 0 keeps '
        'all. Fewer cost less time and memory, and some accuracy.',
    )
    reduction: Literal['pca', 'random'] = Field(
        'pca',
        description='How channels are reduced: `pca` (fitted to the first window after a start or '
        'a reset) or `random` (a seeded random projection).',
    )
    memory: int = Field(
        7, ge=0, le=128, description='Most recent frames that vote, besides the prompted ones.'
    )
    max_references: int = Field(
        4,
        ge=1,
        le=32,
        description='Prompted frames that are kept for voting; the first ones stay longest.',
    )


class TargetSettings(Settings):
    """When a target counts as seen."""

    visibility_threshold: float = Field(
        0.1,
        ge=0,
        le=1,
        description='A target whose soft label stays below this value everywhere is not visible; '
        '0 always gives it a mask, as the papers do.',
        json_schema_extra={'dynamic': True},
    )
    min_area: int = Field(
        1,
        ge=1,
        le=2**31 - 1,
        description='Smallest mask in px that counts as visible.',
        json_schema_extra={'dynamic': True},
    )
    compete: bool = Field(
        True,
        description='Whether a part of one target that lies on another, similar one goes back to '
        'it: each connected component of similar targets shows one of them, as far as it is clear '
        'which. The papers do not.',
    )
    min_score: float = Field(
        0.2,
        ge=0,
        le=1,
        description='A mask whose score is lower, and of which less than half looks like the '
        'target, is neither published nor remembered: the target counts as not visible. 0 keeps '
        'all masks, as the papers do.',
        json_schema_extra={'dynamic': True},
    )
    reacquire: Literal['none', 'near', 'anywhere'] = Field(
        'anywhere',
        description='Where a target without a mask is searched by how it looked, beyond the window '
        'of the propagation: `none`, nowhere, as in the papers; `near`, around its predicted '
        'place, while it is occluded; `anywhere`, also in the whole image once it is lost.',
        json_schema_extra={'dynamic': True},
    )
    max_deviation: float = Field(
        2.0,
        ge=0,
        le=1000,
        description='A target that is not visible counts as occluded while its predicted place '
        'lies in the image and is known to within this standard deviation, in sizes of the target '
        '(square root of its area); as lost from then on.',
        json_schema_extra={'dynamic': True},
    )


class PointSettings(Settings):
    """How single points are followed."""

    compare: Literal['descriptors', 'keys'] = Field(
        'descriptors',
        description='What of attention is compared: `descriptors`, the queries of one frame with '
        'the keys of the other (DiffTrack), or `keys`, keys with keys by their cosine (HeFT). '
        'Features have one kind of descriptor and know no difference.',
    )
    heads: str = Field(
        '',
        pattern=r'^(\S+/\d+(,\S+/\d+)*)?$',
        description='Attention heads that are compared, as layer/head with commas, such as '
        '`17/2`; empty takes all that the extractor reads. Several are averaged after the softmax.',
    )
    directions: Literal['forward', 'both'] = Field(
        'forward',
        description='Softmax over the cells of the new frame (`forward`), or its mean with the one '
        'over the cells of the frame of the query (`both`, DiffTrack).',
    )
    divisor: Literal['channels', 'heads'] = Field(
        'channels',
        description='Products of queries and keys are divided by the square root of the `channels` '
        'of a head, as the models do, or of the number of `heads`, as the released DiffTrack does.',
    )
    temperature: float = Field(
        0.03,
        ge=1e-3,
        le=10,
        description='Softmax temperature where cosines are compared (features, and keys with '
        'keys), dimensionless.',
    )
    readout: Literal['soft', 'hard', 'field'] = Field(
        'soft',
        description='How a place is read: `soft`, the mean of cells around the best one by their '
        'weights; `hard`, the best cell; `field`, the best cells of the four cells around the '
        'query, interpolated (DiffTrack).',
    )
    radius: int = Field(
        2, ge=1, le=32, description='Of `soft`: cells around the best one, in each direction.'
    )
    motion: Literal['flow', 'none'] = Field(
        'flow',
        description='Whether visible points are first taken along by optical flow, `flow`: they '
        'stay on it where their descriptors agree, to a part of a pixel; or `none`, as in '
        'DiffTrack.',
    )
    flow_side: int = Field(
        240,
        ge=32,
        le=4096,
        description='Of `motion`: short side in px to which larger images are brought before the '
        'flow is computed. Twice as much takes four times as long and finds more points to a '
        'pixel.',
    )
    agreement: float = Field(
        0.1,
        ge=0,
        le=1,
        description='Of `motion`: share of the largest weight in the frame that the place must '
        'have to which the flow leads.',
    )
    trip: float = Field(
        2.0,
        gt=0,
        le=1000,
        description='Of `motion`: distance in px from its start at which flow there and back is '
        'not trusted any more; a confidence of 0.5.',
    )
    similarity: float = Field(
        0.5,
        ge=-1,
        lt=1,
        description='Of visibility `cycle`, where cosines are compared: cosine with what is sought '
        'from which on a point may be visible; a confidence of 0.5.',
    )
    search: int = Field(
        12,
        ge=0,
        le=512,
        description='Half width in cells of the square around the last place in which a visible '
        'point is sought; 0 searches the whole frame. A point that is not visible is always sought '
        'in the whole frame.',
    )
    half_cell: bool = Field(
        True,
        description='Whether a descriptor belongs to the middle of its cell. The released '
        'DiffTrack takes it for the upper left corner, which shifts points by half a cell.',
    )
    visibility: Literal['cycle', 'always'] = Field(
        'cycle',
        description='When a point counts as visible: `cycle`, if the place that was found leads '
        'back to the query; `always`, as in DiffTrack.',
    )
    tolerance: float = Field(
        1.5,
        gt=0,
        le=1000,
        description='Distance in cells from the query at which a point that leads back there has a '
        'confidence of 0.5; beyond it is not visible.',
    )
    refresh: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Weight of what a visible point looks like in the present frame in what is '
        'sought in the next one; 0 seeks what the query looked like.',
    )
    chunks: Literal['none', 'interleaved', 'consecutive'] = Field(
        'none',
        description='How whole clips are cut by `drift evaluate`: `none`, as a stream; or in '
        'chunks that all begin with the frame of the queries, `interleaved` over the clip (the '
        'released DiffTrack) or `consecutive`. A live stream is never cut so.',
    )
    most: int = Field(1000, ge=1, le=100_000, description='Points that may be followed at a time.')
    most_frames: int = Field(
        16,
        ge=1,
        le=1024,
        description='Frames that the queries of all points may be on; their descriptors are kept.',
    )


class StreamSettings(Settings):
    """Which images are taken, and when a stream is taken to have started anew."""

    backward_jump: float = Field(
        0.1,
        ge=0,
        le=3600,
        description='Step back of the stamps in seconds from which on the stream restarts (a bag '
        'that loops); an '
        'older frame within less than that came late and is skipped.',
    )
    max_pixels: int = Field(
        MAX_PIXELS,
        ge=1,
        le=MOST_PIXELS,
        description='Largest image in px, width times height; a larger one is skipped. Of '
        'compressed images the header is read before they are decoded.',
    )


class PromptSettings(Settings):
    """Who turns clicks and boxes into masks."""

    backend: Literal['auto', 'grabcut', 'spread', 'segment-anything', 'transformers'] = Field(
        'auto',
        description='Segmenter: `segment-anything` (a .pth checkpoint), `transformers` (a folder '
        'with SAM or SAM 2), `grabcut` (OpenCV, no weights), `spread` (clicks spread to what the '
        'extractor of features.name finds alike, then GrabCut). `auto` goes by the checkpoint and '
        'is GrabCut without one.',
    )
    checkpoint: str = Field('', description='File or folder with the weights of the segmenter.')


class TextInversionSettings(Settings):
    """Textual inversion: an embedding per target, at the output of the text encoder."""

    invert: bool = Field(
        False,
        description='Whether an embedding per target is fitted to the prompted masks, so that '
        'cross-attention shows them; frames are then read with these in the prompt (Stable '
        'Diffusion only).',
    )
    steps: int = Field(100, ge=1, le=20000, description='Steps of the fit (AdamW).')
    rate: float = Field(0.01, gt=0, le=10, description='Rate of the fit (AdamW).')
    layers: str = Field(
        '',
        pattern=PLACES,
        description='Cross-attention layers of the decoder that are to show the masks, such as '
        '`3.0` or `2,3.0`; empty takes the first one of the last block that is run.',
    )
    loss: Literal['bce', 'mse'] = Field(
        'bce',
        description='Loss between the share of an embedding in cross-attention and the mask: '
        'binary cross-entropy or the squared error; in both a target has half the weight.',
    )
    spread: float = Field(
        0.0,
        ge=0,
        le=1000,
        description='Weight of the same loss on the shares after self-attention has spread them.',
    )
    passes: Literal['joint', 'each'] = Field(
        'joint',
        description='Whether targets are fitted in one prompt and pass, where they compete for '
        'cells (`joint`), or each by itself, in a prompt and pass of its own (`each`).',
    )


class AdaptationSettings(Settings):
    """Whether the attention kernel is adapted to the targets, on their prompted frame."""

    heads: Literal['uniform', 'fitted', 'closed-form'] = Field(
        'uniform',
        description='Weights of the attention heads: `uniform`, all equal; `fitted`, so that their '
        'mean gives the prompted masks back; `closed-form`, by how well each one does so alone.',
    )
    example: Literal['frame', 'copy'] = Field(
        'frame',
        description='What heads are weighed by: the prompted `frame` itself, where cells must not '
        'look at themselves and their neighbours, or a mirrored `copy` of it, which costs one more '
        'pass of the network.',
    )
    margin: int = Field(
        1,
        ge=0,
        le=64,
        description='Neighbours in cells, in each direction, that cells of the prompted frame must '
        'not look at.',
    )
    steps: int = Field(200, ge=1, le=10000, description='Steps of the fit (Adam).')
    rate: float = Field(0.1, gt=0, le=10, description='Rate of the fit (Adam).')
    temperature: float = Field(
        0.05,
        gt=0,
        le=10,
        description='Of `closed-form`: the lower it is, the more the best heads count.',
    )
    budget: float = Field(
        0.05,
        ge=0,
        le=60,
        description='Seconds per frame that a live node spends on fitting; tracking goes on '
        'unadapted until it is done. Offline it is done before tracking starts.',
    )
    text: TextInversionSettings = TextInversionSettings()
    file: str = Field(
        '',
        description='What `drift adapt` fitted before; it holds from the start, until something is '
        'fitted anew.',
    )


class RefinementSettings(Settings):
    """Whether outlines of masks are found anew in the image."""

    backend: Literal['none', 'grabcut', 'sam'] = Field(
        'none',
        description='Who refines masks: `none`; `grabcut`, colours and edges in a band around the '
        'outline (OpenCV, no weights); `sam`, Segment Anything prompted by the mask.',
    )
    checkpoint: str = Field(
        '',
        description='Weights of `sam`, a file or folder as for prompts.checkpoint; empty takes the '
        'segmenter of the prompts.',
    )
    every: int = Field(
        1,
        ge=1,
        le=1000,
        description='Every which frame is refined; the others stay as they are.',
        json_schema_extra={'dynamic': True},
    )
    min_iou: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Overlap (intersection over union) with the mask that was to be refined below '
        'which the refined one is not taken.',
        json_schema_extra={'dynamic': True},
    )
    feedback: bool = Field(
        True,
        description='Whether the refined mask is remembered and propagated from, or published '
        'only.',
        json_schema_extra={'dynamic': True},
    )
    band: int = Field(
        6,
        ge=1,
        le=256,
        description='Half width in px of the band that `grabcut` looks at.',
        json_schema_extra={'dynamic': True},
    )
    iterations: int = Field(1, ge=1, le=20, description='Iterations of `grabcut`.')
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description='Margin of the box that `sam` is given, in parts of its longer side.',
        json_schema_extra={'dynamic': True},
    )


class TrackerSettings(Settings):
    """All settings of the tracker."""

    features: FeatureSettings = FeatureSettings()
    window: WindowSettings = WindowSettings()
    propagation: PropagationSettings = PropagationSettings()
    adaptation: AdaptationSettings = AdaptationSettings()
    refinement: RefinementSettings = RefinementSettings()
    targets: TargetSettings = TargetSettings()
    points: PointSettings = PointSettings()
    stream: StreamSettings = StreamSettings()
    prompts: PromptSettings = PromptSettings()


def fields(model: type[Settings], prefix: str = '') -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and declaration of every setting below a model, in the order of declaration."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from fields(kind, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', info


def flatten(settings: Settings) -> dict[str, Any]:
    """Dotted name -> value of every setting."""
    flat = {}
    for name, _ in fields(type(settings)):
        value: Any = settings
        for part in name.split('.'):
            value = getattr(value, part)
        flat[name] = value
    return flat


def build(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Settings from dotted names (missing ones keep their defaults).

    Raises:
        SettingsError: a name is unknown, or a value is of the wrong type or out of its range.
    """
    known = [name for name, _ in fields(model)]
    nested: dict[str, Any] = {
        name: field.default.model_dump(exclude_unset=True)
        for name, field in model.model_fields.items()
        if isinstance(field.default, Settings)
    }
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean {close[0]!r}?' if close else f'; known are: {", ".join(known)}'
            raise SettingsError(f'unknown setting {shown(name)}{hint}')
        *groups, leaf = name.split('.')
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[leaf] = value
    try:
        return model.model_validate(nested)
    except ValidationError as error:
        raise SettingsError('; '.join(_explain(e) for e in error.errors())) from None


def _explain(error: Any) -> str:
    name = '.'.join(str(part) for part in error['loc'])
    return f'setting {name!r} is {shown(error["input"])}: {error["msg"]}'
