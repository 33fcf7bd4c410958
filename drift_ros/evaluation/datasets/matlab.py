"""Matrices in Matlab's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError


def read_matrix(path: Path, name: str) -> NDArray[np.float64]:
    """A matrix of numbers in a file of Matlab 4 to 7.2.

    SciPy reads it, which nothing else here needs: it comes with an extra.

    Raises:
        SourceError: SciPy is missing, the file cannot be read, or it has no such matrix.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise SourceError(
            f'{path} is read by SciPy, which is missing ({error}): pip install "drift-ros[jhmdb]"'
        ) from None
    try:
        matrix = loadmat(path, variable_names=[name]).get(name)
    except Exception as error:  # broken files raise whatever the reader stumbles over
        raise SourceError(f'cannot read {path} as a file of Matlab: {error}') from None
    if matrix is None:
        raise SourceError(f'{path} has no matrix {name!r}')
    try:
        return np.asarray(matrix, np.float64)
    except (TypeError, ValueError):
        raise SourceError(f'{path}: {name} is no matrix of numbers') from None
