"""Settings of what is known about targets beside their labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drift_ros.settings.base import Settings


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
        json_schema_extra={'dynamic': True},
    )
    separate: bool = Field(
        True,
        description='Whether targets that look alike are distinguished by their motion where they '
        'touch or hide each other: by where each is expected, its size and shape, and the optical '
        'flow. The papers do not.',
        json_schema_extra={'dynamic': True},
    )
    background_margin: float = Field(
        0.15,
        ge=0,
        le=2,
        description='A cell of a target becomes background if it resembles the background of the '
        'prompted frames more than the target there, by this difference of cosines of the best '
        'matches; 2 never does that, as in the papers.',
        json_schema_extra={'dynamic': True},
    )
    drop_stray: bool = Field(
        True,
        description='Whether small parts of a mask that lie far from the rest of it are not '
        'published: below 15 % of its largest part, and farther from that than the square root of '
        'its area. One of them would stretch the bounding box over half the image. The papers keep '
        'them.',
        json_schema_extra={'dynamic': True},
    )
    drop_unreachable: bool = Field(
        True,
        description='Whether parts of a mask are left out that lie farther from the predicted '
        'place than the target, seen in the frame before, can have moved: by more than its larger '
        'side and three standard deviations. Else a twin anywhere is labelled as the target goes '
        'out of sight. The papers keep them.',
        json_schema_extra={'dynamic': True},
    )
    min_score: float = Field(
        0.4,
        ge=0,
        le=1,
        description='Masks whose score is lower are neither published nor remembered once that '
        'lasts half a second, or at once if it is below 0.1 and the place shows something else: '
        'the target counts as not visible. Where scores are no probabilities (all but `embedded` '
        'and `embedded-image`), those are kept that agree with how the target looked by half of '
        'their cells and of those of the target. 0 keeps all masks, as the papers do.',
        json_schema_extra={'dynamic': True},
    )
    reacquire: Literal['none', 'near', 'anywhere'] = Field(
        'anywhere',
        description='Where a target without a mask is searched by how it looked, beyond the window '
        'of the propagation: `none`, nowhere, as in the papers; `near`, around its predicted '
        'place, while it is occluded; `anywhere`, in the whole image while it is occluded or lost '
        'or its score is below 0.5. A lost target is then back only where it is found so, and '
        'where the picture changes as a whole all targets are lost until it is back, or they are '
        'found in the new one.',
        json_schema_extra={'dynamic': True},
    )
    max_size_change: float = Field(
        1.22,
        ge=1,
        le=1000,
        description='A target that is searched in the whole image is taken only for what is as '
        'far away as the target was when it was seen for certain: so far that its area, seen from '
        'the same side, is at most this many times larger or smaller. Larger values find what '
        'comes back nearer or farther away, and take a twin for it more easily.',
        json_schema_extra={'dynamic': True},
    )
    any_size_after: int = Field(
        36,
        ge=0,
        le=1000000,
        description='A target that is searched in the whole image is taken after all for what is '
        'nearer or farther away than `max_size_change` allows, up to twice, if that was seen to '
        'look like it this many times, at last for sure, and nothing else was. It is looked for in '
        'each frame; several lost targets take turns. Its score is below 0.5 then, and it '
        'is searched on, until it proves right or 120 frames are over. 0: never, where twins come '
        'and go.',
        json_schema_extra={'dynamic': True},
    )
    verify: bool = Field(
        True,
        description='Whether the network that recognizes targets looks at masks, too: where labels '
        'reach a target that was hidden, those with a score below 0.5 are dropped if it sees the '
        'target elsewhere or nowhere; what a target has on a twin beside it that is no target '
        'becomes background; and a target that was found again is lost again if it turns out to '
        'be nearer or farther away than `max_size_change` allows. The papers do not look.',
        json_schema_extra={'dynamic': True},
    )
    checkpoint: str = Field(
        '',
        description='File of weights of the network that recognizes lost targets, of `drift '
        'train-recognition`; empty for those that come with the package.',
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
