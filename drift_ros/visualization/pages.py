"""Web pages that need nothing beside themselves: their style, and pieces that they share."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import cv2
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from drift_ros.visualization.contact_sheet import AGREED, EXTRA, MISSED, SWAPPED
from drift_ros.visualization.overlay import Picture, colour_of, title

KINDS_OF_ERROR = {
    'agrees': AGREED,
    'missed': MISSED,
    'extra': EXTRA,
    'right place, other id': SWAPPED,
}


def render(package: str, template: str, **values: Any) -> str:
    """HTML of a template in the folder `templates` of a package.

    It may extend `base.html.j2` and import `parts.html.j2`; values are escaped, and a missing one
    is an error.
    """
    loaders = [PackageLoader(name, 'templates') for name in (package, __package__ or '')]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(**values)


def card(value: str, unit: str, label: str, status: str = '') -> dict[str, str]:
    """A number in large print; the status is 'good', 'bad' or none."""
    return {'value': value, 'unit': unit, 'label': label, 'status': status}


def row(
    text: str, cells: Sequence[str], colour: str = '', link: str = '', strong: bool = False
) -> dict[str, Any]:
    """A row of a table: its title with a patch of colour or a link, and cells."""
    return {'title': text, 'cells': cells, 'colour': colour, 'link': link, 'strong': strong}


def object_row(id_: int, name: str, cells: Sequence[str]) -> dict[str, Any]:
    """A row of a table about an object, in its colour."""
    return row(title(id_, name), cells, css(colour_of(id_)))


def error_legend() -> list[dict[str, str]]:
    """Names and colours of what `contact_sheet.error_view` shows."""
    return [{'name': name, 'colour': css(colour)} for name, colour in KINDS_OF_ERROR.items()]


def jpeg(picture: Picture, quality: int = 88) -> str:
    """A picture (H, W, 3) uint8 RGB as the source of an <img>."""
    _, content = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data_uri('image/jpeg', content.tobytes())


def data_uri(kind: str, content: bytes) -> str:
    """Content of a MIME type as a source within the page."""
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def css(colour: tuple[int, int, int]) -> str:
    """An RGB colour for CSS."""
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def number(value: float, digits: int) -> str:
    """A number with that many digits after the point; `n/a` if it is none."""
    return f'{value:.{digits}f}' if math.isfinite(value) else 'n/a'
