"""Marks and the preview of a mask as SVG, for the layer over a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.page.draft import Draft, Point

INK = '#00d5ff'  # of a preview: no colour of the palette
REFUSED = '#ff4d5e'
MOST_CORNERS = 4000


def marks(
    draft: Draft | None, preview: NDArray[np.bool_] | None, drag: tuple[Point, Point] | None
) -> str:
    """SVG of a draft.

    Args:
        draft: its points and box; None: none.
        preview: (H, W) mask of the frame.
        drag: corners of a box that is being drawn, in px of the sent picture.
    """
    parts = []
    if draft is not None:
        scale = draft.picture.scale
        unit = max(1.0, min(draft.picture.frame.size) * scale / 480)
        if preview is not None:
            parts.append(_mask(preview, scale, unit))
        for x, y, width, height in draft.boxes:
            corner = ((x + 0.5) * scale, (y + 0.5) * scale)
            parts.append(_box(corner, width * scale, height * scale, unit))
        for x, y, label in draft.points:
            parts.append(_point((x + 0.5) * scale, (y + 0.5) * scale, bool(label), unit))
    if drag is not None:
        (x0, y0), (x1, y1) = drag
        parts.append(_box((min(x0, x1), min(y0, y1)), abs(x1 - x0), abs(y1 - y0), 1.0))
    return ''.join(parts)


def _point(x: float, y: float, on_object: bool, unit: float) -> str:
    colour, arm = (INK if on_object else REFUSED), 3.5 * unit
    sign = f'M{x - arm:.1f} {y:.1f}h{2 * arm:.1f}'
    if on_object:
        sign += f'M{x:.1f} {y - arm:.1f}v{2 * arm:.1f}'
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{7 * unit:.1f}" fill="{colour}" stroke="#fff" '
        f'stroke-width="{2 * unit:.1f}"/>'
        f'<path d="{sign}" stroke="#000" stroke-width="{1.8 * unit:.1f}"/>'
    )


def _box(corner: Point, width: float, height: float, unit: float) -> str:
    box = f'x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{width:.1f}" height="{height:.1f}"'
    line = f'fill="none" stroke-width="{2 * unit:.1f}"'
    dashed = f'stroke="{INK}" stroke-dasharray="{6 * unit:.0f}"'
    return f'<rect {box} {line} stroke="#000"/><rect {box} {line} {dashed}/>'


def _mask(mask: NDArray[np.bool_], scale: float, unit: float) -> str:
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    path, left = [], MOST_CORNERS
    for contour in sorted(found, key=len, reverse=True):
        near = cv2.approxPolyDP(contour, 0.7 / scale, True).reshape(-1, 2)
        if (left := left - len(near)) < 0:
            break
        corners = (near + 0.5) * scale
        path.append('M' + 'L'.join(f'{x:.1f} {y:.1f}' for x, y in corners))
    d = 'Z'.join([*path, ''])
    return (
        f'<path d="{d}" fill="{INK}" fill-opacity="0.35" fill-rule="evenodd" stroke="#fff" '
        f'stroke-width="{3 * unit:.1f}"/>'
        f'<path d="{d}" fill="none" stroke="{INK}" stroke-width="{1.6 * unit:.1f}"/>'
    )
