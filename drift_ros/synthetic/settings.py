"""Settings of rendered video."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from drift_ros.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]


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
    balls: Share = Field(
        0.2, description='Share of videos that show balls on a floor; the others show cutouts.'
    )
    identical: Share = Field(0.5, description='Share of videos with identical objects.')
    camouflage: Share = Field(0.3, description='Share of objects in the colours of the background.')
    crossing: Share = Field(0.6, description='Share of videos whose objects are made to cross.')
    slow_crossings: Share = Field(
        0.15,
        description='Share of videos in which identical objects hide each other by 60 to 100 % for '
        'many frames, and pass, turn back or stay.',
    )
    returns: Share = Field(
        0.12,
        description='Share of videos whose objects leave the image, or vanish behind something, '
        'and come back.',
    )
    hands: Share = Field(
        0.08,
        description='Share of videos in which a hand or a gripper reaches in and carries an '
        'object; it is one more object.',
    )
    crowds: Share = Field(
        0.06,
        description='Share of videos with 6 to 20 small objects that look the same or nearly so, '
        'whatever `most` is.',
    )
    thin: Share = Field(0.12, description='Share of cutouts that are thin or have many joints.')
    figures: Share = Field(
        0.1, description='Share of cutouts that are walkers, runners and cyclists.'
    )
    approaches: Share = Field(
        0.15,
        description='Share of videos in which objects or the camera come nearer or go away by '
        '2 to 4 times.',
    )
    shake: Share = Field(0.2, description='Share of videos from a camera that shakes.')
    pans: Share = Field(0.08, description='Share of videos from a camera that turns aside fast.')
    layers: Share = Field(
        0.15,
        description='Share of videos with trunks, fences, branches or leaves at several depths.',
    )
    materials: Share = Field(
        0.5,
        description='Share of surfaces after real ones: wood, fabric, skin, foliage, print, ...',
    )
    gloss: Share = Field(0.2, description='Share of cutouts with highlights.')
    motion: float = Field(1.0, ge=0, le=4, description='Strength of the motion of objects.')
    camera: float = Field(1.0, ge=0, le=4, description='Strength of the motion of the camera.')
    tilts: Share = Field(0.5, description='Share of cutouts that turn out of the image plane.')
    tilt: float = Field(1.0, ge=0, le=4, description='Strength of that.')
    deformation: Share = Field(1.0, description='Strength of the bending of soft objects.')
    floor: Share = Field(0.35, description='Share of videos of cutouts that have a floor.')
    clutter: int = Field(3, ge=0, le=20, description='Most unlabelled things behind the objects.')
    occluders: Share = Field(
        0.3, description='Share of videos with unlabelled things before the objects.'
    )
    shadows: Share = Field(0.6, description='Share of videos with shadows.')
    lighting: Share = Field(0.4, description='Share of videos with uneven or changing light.')
    exposure: Share = Field(
        0.3, description='Share of videos with drifting exposure and white balance.'
    )
    motion_blur: Share = Field(0.4, description='Share of videos with motion blur.')
    defocus: Share = Field(0.3, description='Share of videos with a shallow depth of field.')
    noise: float = Field(
        8.0,
        ge=0,
        le=128,
        description='Largest standard deviation of the sensor noise in grey levels.',
    )
    compression: Share = Field(
        0.5, description='Share of videos with JPEG artefacts (quality 30 to 95).'
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
