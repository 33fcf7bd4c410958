"""Settings of the tracker of points."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drift_ros.settings.base import Settings


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
        2,
        ge=1,
        le=32,
        description='Of `soft`: cells around the best one, in each direction.',
        json_schema_extra={'dynamic': True},
    )
    motion: Literal['layers', 'flow', 'none'] = Field(
        'layers',
        description='What takes points along before they are sought: `flow`, optical flow takes '
        'visible ones, and they stay on it where their descriptors agree; `layers`, what moves as '
        'large parts of the image do, such as the background, goes with these, also while it is '
        'hidden, and the rest with the flow; `none`, as in DiffTrack.',
    )
    flow_side: int = Field(
        240,
        ge=32,
        le=4096,
        description='Of `motion`: short side in px to which larger images are brought before the '
        'flow is computed. Twice as much takes four times as long and finds more points to a '
        'pixel.',
    )
    registration: bool = Field(
        True,
        description='Whether the image around the query is sought where its point was found, to a '
        'part of a pixel: the point is where it lies and leads back from, and does not drift with '
        'the flow. DiffTrack has nothing like it.',
    )
    decision: Literal['learned', 'rules'] = Field(
        'rules',
        description='What decides where a point is and whether it is visible: `rules` of motion, '
        'descriptors and registration, or a small network, `learned` on rendered tracks, that is '
        'shown where these and others would have the point. DiffTrack has nothing like it.',
    )
    checkpoint: str = Field(
        '',
        description='Of `learned`: file of weights by `drift train-points`; empty: those that come '
        'with the package.',
    )
    agreement: float = Field(
        0.1,
        ge=0,
        le=1,
        description='Of `motion`: share of the largest weight in the frame that the place must '
        'have to which the flow leads.',
        json_schema_extra={'dynamic': True},
    )
    trip: float = Field(
        3.0,
        gt=0,
        le=1000,
        description='Of `motion`: distance in px from its start at which a patch that is sought '
        'back from where the flow leads is not trusted any more; a confidence of 0.5.',
        json_schema_extra={'dynamic': True},
    )
    similarity: float = Field(
        0.5,
        ge=-1,
        lt=1,
        description='Of visibility `cycle`, where cosines are compared: cosine with what is sought '
        'from which on a point may be visible; a confidence of 0.5.',
        json_schema_extra={'dynamic': True},
    )
    search: int = Field(
        12,
        ge=0,
        le=512,
        description='Half width in cells of the square around the last place in which a visible '
        'point is sought; 0 searches the whole frame. A point that is not visible is always sought '
        'in the whole frame.',
        json_schema_extra={'dynamic': True},
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
        json_schema_extra={'dynamic': True},
    )
    tolerance: float = Field(
        1.5,
        gt=0,
        le=1000,
        description='Distance in cells from the query at which a point that leads back there has a '
        'confidence of 0.5; beyond it is not visible.',
        json_schema_extra={'dynamic': True},
    )
    refresh: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Weight of what a visible point looks like in the present frame in what is '
        'sought in the next one; 0 seeks what the query looked like.',
        json_schema_extra={'dynamic': True},
    )
    chunks: Literal['none', 'interleaved', 'consecutive'] = Field(
        'none',
        description='How whole clips are cut by `drift evaluate`: `none`, as a stream; or in '
        'chunks that all begin with the frame of the queries, `interleaved` over the clip (the '
        'released DiffTrack) or `consecutive`. A live stream is never cut so.',
    )
    most: int = Field(
        1000,
        ge=1,
        le=100_000,
        description='Points that may be followed at a time.',
        json_schema_extra={'dynamic': True},
    )
    most_frames: int = Field(
        16,
        ge=1,
        le=1024,
        description='Frames that the queries of all points may be on; their descriptors are kept.',
        json_schema_extra={'dynamic': True},
    )
