"""What agent, collector, client and command share."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosonde_common._version import __version__

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """The version when somebody asks for it: what reads it from the installation takes a while to import."""
    if name != "__version__":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from gosonde_common import _version  # noqa: PLC0415

    return _version.__version__
