"""The package's own errors: each says what was given, what was expected and what to do."""

from pickle import UnpicklingError


class NstError(Exception):
    """Base of every error that nstlib raises on purpose. Catch it to show the message without a traceback."""


class InputError(NstError, ValueError):
    """An argument that cannot work: the message names it, what was given and what is possible."""


class ImageError(NstError, ValueError):
    """A picture that cannot be read, or cannot be used, or cannot be written."""


class BackboneNotFound(NstError, LookupError):
    """A backbone's name that the package does not know."""


class LayerNotFound(NstError, LookupError):
    """A layer's name that the backbone does not have."""


class WeightsUnavailable(NstError, RuntimeError):
    """A backbone's weights that are neither cached nor to be downloaded, or that are damaged."""


class RunError(NstError, RuntimeError):
    """A run that cannot go on, or a saved run that cannot be read."""


class OutOfMemory(RunError):
    """A picture too large for the device's memory."""


class MissingPackage(NstError, ImportError):
    """A part of nstlib that needs a package which is not installed."""


class RunWarning(UserWarning):
    """Something that a run noticed and mended by itself, such as NaN."""


def brief(error: BaseException) -> str:
    """The first line of what an error says, or its name where it says nothing: for a message around it."""
    if isinstance(error, UnpicklingError):  # torch's words for it advise to execute whatever is in the file
        return "it is not a file of tensors"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
