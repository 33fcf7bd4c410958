"""Settings of rendered video."""

from __future__ import annotations

from pydantic import Field, model_validator

from drift_ros.settings import Settings


class SceneSettings(Settings):
    """Size, length and disturbance of a rendered video; equal settings give equal videos."""

    width: int = Field(640, ge=16, le=8192, description='Width of the image in px.')
    height: int = Field(480, ge=16, le=8192, description='Height of the image in px.')
    frames: int = Field(96, ge=1, le=100_000, description='Number of frames.')
    rate: float = Field(24.0, gt=0, le=1000, description='Frames per second.')
    seed: int = Field(0, ge=0, le=2**31 - 1, description='Seed of everything random in the scene.')
    noise: float = Field(
        3.0,
        ge=0,
        le=128,
        description='Standard deviation of the sensor noise in grey levels at middle brightness.',
    )


class VideoSettings(Settings):
    """Size and length of a generated video, and how many points it follows."""

    width: int = Field(128, ge=16, le=8192, description='Width of the image in px.')
    height: int = Field(128, ge=16, le=8192, description='Height of the image in px.')
    frames: int = Field(16, ge=1, le=100_000, description='Number of frames.')
    rate: float = Field(12.0, gt=0, le=1000, description='Frames per second.')
    points: int = Field(
        256,
        ge=0,
        le=100_000,
        description='Points followed through the video, half of them on objects.',
    )


class RandomSettings(VideoSettings):
    """What random videos are like; shares are of videos, and a strength of 1 is as in real life."""

    fewest: int = Field(1, ge=1, le=12, description='Fewest objects in a video.')
    most: int = Field(5, ge=1, le=12, description='Most objects in a video.')
    smallest: float = Field(
        0.1,
        gt=0,
        le=1,
        description='Radius of the smallest object, as a share of the shorter side of the image.',
    )
    largest: float = Field(
        0.45,
        gt=0,
        le=1,
        description='Radius of the largest object, as a share of the shorter side of the image.',
    )
    balls: float = Field(
        0.2,
        ge=0,
        le=1,
        description='Share of videos that show balls on a floor; the others show cutouts.',
    )
    identical: float = Field(0.5, ge=0, le=1, description='Share of videos with identical objects.')
    camouflage: float = Field(
        0.3, ge=0, le=1, description='Share of objects in the colours of the background.'
    )
    crossing: float = Field(
        0.6, ge=0, le=1, description='Share of videos whose objects are made to cross.'
    )
    slow_crossings: float = Field(
        0.15,
        ge=0,
        le=1,
        description='Share of videos in which identical objects hide each other by 60 to 100 % for '
        'many frames, and pass, turn back or stay.',
    )
    returns: float = Field(
        0.12,
        ge=0,
        le=1,
        description='Share of videos whose objects leave the image, or vanish behind something, '
        'and come back.',
    )
    hands: float = Field(
        0.08,
        ge=0,
        le=1,
        description='Share of videos in which a hand or a gripper reaches in and carries an '
        'object; it is one more object.',
    )
    crowds: float = Field(
        0.06,
        ge=0,
        le=1,
        description='Share of videos with 6 to 20 small objects that look the same or nearly so, '
        'whatever `most` is.',
    )
    thin: float = Field(
        0.12, ge=0, le=1, description='Share of cutouts that are thin or have many joints.'
    )
    figures: float = Field(
        0.1, ge=0, le=1, description='Share of cutouts that are walkers, runners and cyclists.'
    )
    approaches: float = Field(
        0.15,
        ge=0,
        le=1,
        description='Share of videos in which objects or the camera come nearer or go away by '
        '2 to 4 times.',
    )
    shake: float = Field(0.2, ge=0, le=1, description='Share of videos from a camera that shakes.')
    pans: float = Field(
        0.08, ge=0, le=1, description='Share of videos from a camera that turns aside fast.'
    )
    layers: float = Field(
        0.15,
        ge=0,
        le=1,
        description='Share of videos with trunks, fences, branches or leaves at several depths.',
    )
    materials: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Share of surfaces after real ones: wood, fabric, skin, foliage, print, ...',
    )
    gloss: float = Field(0.2, ge=0, le=1, description='Share of cutouts with highlights.')
    motion: float = Field(1.0, ge=0, le=4, description='Strength of the motion of objects.')
    camera: float = Field(1.0, ge=0, le=4, description='Strength of the motion of the camera.')
    deformation: float = Field(
        1.0, ge=0, le=1, description='Strength of the bending of soft objects.'
    )
    floor: float = Field(
        0.35, ge=0, le=1, description='Share of videos of cutouts that have a floor.'
    )
    clutter: int = Field(3, ge=0, le=20, description='Most unlabelled things behind the objects.')
    occluders: float = Field(
        0.3, ge=0, le=1, description='Share of videos with unlabelled things before the objects.'
    )
    shadows: float = Field(0.6, ge=0, le=1, description='Share of videos with shadows.')
    lighting: float = Field(
        0.4, ge=0, le=1, description='Share of videos with uneven or changing light.'
    )
    exposure: float = Field(
        0.3, ge=0, le=1, description='Share of videos with drifting exposure and white balance.'
    )
    motion_blur: float = Field(0.4, ge=0, le=1, description='Share of videos with motion blur.')
    defocus: float = Field(
        0.3, ge=0, le=1, description='Share of videos with a shallow depth of field.'
    )
    noise: float = Field(
        8.0,
        ge=0,
        le=128,
        description='Largest standard deviation of the sensor noise in grey levels.',
    )
    compression: float = Field(
        0.5, ge=0, le=1, description='Share of videos with JPEG artefacts (quality 30 to 95).'
    )

    @model_validator(mode='after')
    def _ordered(self) -> RandomSettings:
        if self.fewest > self.most:
            raise ValueError(f'fewest ({self.fewest}) is more than most ({self.most})')
        if self.smallest > self.largest:
            raise ValueError(f'smallest ({self.smallest}) is more than largest ({self.largest})')
        events = self.slow_crossings + self.returns + self.hands + self.crowds
        if events > 1 + 1e-9:
            raise ValueError(
                f'slow_crossings, returns, hands and crowds are shares of all videos, and sum up '
                f'to {events:g}; give at most 1 in all'
            )
        if self.thin + self.figures > 1 + 1e-9:
            raise ValueError(
                f'thin ({self.thin}) and figures ({self.figures}) sum up to more than 1'
            )
        return self
