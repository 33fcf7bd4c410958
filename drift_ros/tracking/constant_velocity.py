"""A Kalman filter of constant velocity, in any number of dimensions and any unit of length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Filter = TypeVar('Filter', bound='ConstantVelocity')


@dataclass(frozen=True, slots=True)
class ConstantVelocity:
    """Place and velocity of a point, with uncertainty along each axis.

    Attributes:
        place: (D,) in units of length.
        velocity: (D,) in units per s.
        covariance: (D, 2, 2) of place and velocity along each axis, or (2, 2) if it is the same
            along all.
    """

    place: Vector
    velocity: Vector
    covariance: Vector

    @property
    def variance(self) -> Vector:
        """(D,) or () variance of the place along each axis, or along all."""
        return self.covariance[..., 0, 0]

    def predicted(self: Filter, seconds: float, acceleration: float) -> Filter:
        """The expectation for later.

        Args:
            seconds: how much later, 0 or more.
            acceleration: white noise that the velocity changes by, in units per s^1.5: within t
                seconds by acceleration * sqrt(t), one standard deviation along an axis.
        """
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        noise = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        return replace(
            self,
            place=self.place + self.velocity * seconds,
            covariance=step @ self.covariance @ step.T + acceleration**2 * noise,
        )

    def updated(self: Filter, place: Vector, deviation: float | Vector) -> Filter:
        """The estimate with one more measurement.

        Args:
            place: (D,) that was measured.
            deviation: (D,) its standard deviation along each axis, or one that holds for all.
        """
        total = np.asarray(self.variance + np.square(deviation))
        gain = self.covariance[..., 0] / total[..., None]
        error = place - self.place
        return replace(
            self,
            place=self.place + gain[..., 0] * error,
            velocity=self.velocity + gain[..., 1] * error,
            covariance=self.covariance - gain[..., :, None] * self.covariance[..., None, 0, :],
        )

    def normalised_innovation(self, place: Vector, deviation: float | Vector) -> float:
        """Squared innovation of a measurement (see `updated`) in units of its variance: of a point
        that moves like this it has the chi-squared distribution with D degrees of freedom.
        """
        return float(np.sum((place - self.place) ** 2 / (self.variance + np.square(deviation))))
