"""Camera calibrations as ROS's camera_calibration writes them (YAML)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from drift_ros.documents import DocumentError, read_yaml
from drift_ros.errors import SourceError
from drift_ros.io import messages

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Data(BaseModel):
    data: list[Number]


class _Matrix3(BaseModel):
    data: list[Number] = Field(min_length=9, max_length=9)


class _Projection(BaseModel):
    data: list[Number] = Field(min_length=12, max_length=12)


class Calibration(BaseModel):
    """One camera. The matrices are stored row by row.

    Attributes:
        image_width: of the images that it was made with, in px.
        image_height: likewise.
        distortion_model: such as plumb_bob.
        rectification_matrix: R; None: identity.
        projection_matrix: P; None: K without translation.
    """

    image_width: int = Field(gt=0)
    image_height: int = Field(gt=0)
    camera_matrix: _Matrix3
    distortion_model: str = 'plumb_bob'
    distortion_coefficients: _Data = _Data(data=[0.0] * 5)
    rectification_matrix: _Matrix3 | None = None
    projection_matrix: _Projection | None = None

    def message(self, stamp_ns: int, frame_id: str) -> Any:
        """sensor_msgs/CameraInfo for one image."""
        k = self.camera_matrix.data
        rectification, projection = self.rectification_matrix, self.projection_matrix
        return messages.camera_info(
            k[0],
            k[4],
            k[2],
            k[5],
            self.image_width,
            self.image_height,
            stamp_ns,
            frame_id,
            distortion_model=self.distortion_model,
            distortion=self.distortion_coefficients.data,
            rectification=rectification.data if rectification else messages.IDENTITY,
            projection=projection.data if projection else None,
        )


def read_calibration(path: str | Path) -> Calibration:
    """Read the YAML file of a calibrated camera.

    Raises:
        SourceError: it cannot be read, lacks a field, or the camera is not calibrated (fx or fy
            not positive).
    """
    try:
        content = read_yaml(Path(path))
        calibration = Calibration.model_validate(content)
    except DocumentError as error:
        raise SourceError(f'cannot read the calibration {path}: {error}') from error
    except ValidationError as error:
        first = error.errors()[0]
        field = '.'.join(str(part) for part in first['loc']) or 'content'
        raise SourceError(
            f'{path}: {field}: {first["msg"]}; expected a file of camera_calibration with '
            'image_width, image_height, camera_matrix, distortion_coefficients'
        ) from error
    k = calibration.camera_matrix.data
    if not (k[0] > 0 and k[4] > 0):
        raise SourceError(
            f'{path}: camera_matrix has fx {k[0]} and fy {k[4]}; expected positive focal lengths '
            'in px (0 means that the camera is not calibrated)'
        )
    return calibration
