"""Errors that a user can cause and mend. Each message says what was expected, what came and what to
do.
"""

import reprlib


class DriftError(Exception):
    """Base of all errors that drift_ros raises on purpose."""


class SettingsError(DriftError):
    """A setting is unknown or out of its range."""


class FrameError(DriftError):
    """An image cannot be used: unknown encoding, too little data, zero size."""


class PromptError(DriftError):
    """A prompt cannot become a target: outside the image, empty, on a frame that is not kept, a
    taken id.
    """


class CheckpointError(DriftError):
    """Model weights are missing, incomplete or of another class than expected."""


class DeviceError(DriftError):
    """The requested device does not exist or has too little memory."""


class SourceError(DriftError):
    """An input (bag, video, folder, prompts file) is missing, unreadable or lacks what was asked
    for.
    """


class OutputError(DriftError):
    """An output place cannot be used, for example because it holds another run."""


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxlong = self.maxother = 120  # characters


_SHOWN = _Shown()


def shown(value: object) -> str:
    """How a value is written in code, in about a line whatever it is."""
    return _SHOWN.repr(value)


def first_line(error: BaseException) -> str:
    """The first line of an error, or its class where it says nothing."""
    text = str(error).strip().split('\n')[0]
    return text or type(error).__name__
