"""dfd tells in real time whether the voice on a live audio stream is a person or a machine."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dfd")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
