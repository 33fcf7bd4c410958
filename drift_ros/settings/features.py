"""Settings of the extractors: which network describes frames, and how it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from drift_ros.settings.base import PLACES, Settings, ZeroOr


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
    colour: float = Field(
        0.3,
        ge=0,
        le=10,
        description='Weight of the colour of each cell beside plain features: two cells are as '
        'similar as the features and, by this weight, the colours say. 0 leaves colours out, as in '
        'the papers; it has no meaning for attention and for `propagation.similarity: dot`.',
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
