"""Finds the weights of ADM: a converted folder, or the original file, converted on first use."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch

from drift_ros.errors import CheckpointError
from drift_ros.features.image.adm_conversion import BrokenFileError, Progress, convert

log = logging.getLogger(__name__)

NAME = '256x256_diffusion_uncond.pt'
URL = f'https://openaipublic.blob.core.windows.net/diffusion/jul-2021/{NAME}'


def cache() -> Path:
    """Folder for what is downloaded or converted: `drift_ros/adm` below `$XDG_CACHE_HOME`."""
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(base).expanduser() / 'drift_ros' / 'adm'


def published(progress: Progress | None = None) -> Path:
    """Converted folder of the published model; downloads (2.2 GB) and converts it if need be.

    Raises:
        CheckpointError: it is not there and cannot be downloaded, or is broken.
    """
    original = cache() / NAME
    folder = original.with_suffix('')
    if not original.is_file() and _complete(folder):
        return folder
    if original.is_file():
        return converted(original, progress)
    download(original)
    try:
        return converted(original, progress)
    except BrokenFileError as error:
        original.unlink()
        raise CheckpointError(f'the download of {URL} broke off, try again: {error}') from None


def converted(original: Path, progress: Progress | None = None) -> Path:
    """Folder that an original `.pt` file was converted to; converts it if that is not done yet.

    The folder lies beside the file, or in the user's cache where that cannot be written, and is
    used as long as it is not older than the file.

    Raises:
        CheckpointError: the file is missing, incomplete or of another model, or the folder cannot
            be written.
    """
    original = original.expanduser().absolute()
    if not original.is_file():
        raise CheckpointError(
            f'features.image.checkpoint: there is no file {original}; download {URL} and give its '
            'path'
        )
    places = [original.with_suffix(''), _cached(original)]
    for folder in places:
        if _complete(folder) and _time(folder) >= original.stat().st_mtime:
            log.info('using %s, converted before', folder)
            return folder
    folder = places[0] if _writable(places[0]) else places[1]
    log.warning('converting %s once, to %s', original, folder)
    convert(original, folder, progress=progress)
    return folder


def download(place: Path) -> None:
    """Fetch the published file, with a progress bar; the file appears whole or not at all.

    Raises:
        CheckpointError: there is no network, or no room.
    """
    by_hand = f'download {URL} by other means (2.2 GB) and put it at {place}'
    log.warning('downloading %s (2.2 GB) to %s', URL, place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(place))
    except Exception as error:  # of urllib, of the socket, of the file system
        raise CheckpointError(
            f'features.image: the weights of ADM are not on this machine and cannot be downloaded '
            f'({error}): {by_hand}, or set features.image.checkpoint to where it is'
        ) from None


def _complete(folder: Path) -> bool:
    configurations = ('unet/config.json', 'scheduler/scheduler_config.json')
    return all((folder / name).is_file() for name in configurations)


def _time(folder: Path) -> float:
    return (folder / 'unet' / 'config.json').stat().st_mtime


def _cached(original: Path) -> Path:
    digest = hashlib.blake2b(str(original).encode(), digest_size=4).hexdigest()
    return cache() / f'{original.stem}-{digest}'


def _writable(folder: Path) -> bool:
    """Whether this folder may take its place, and what is there is a conversion, not others'."""
    mine = not folder.exists() or _complete(folder)
    return mine and os.access(folder.parent, os.W_OK)
