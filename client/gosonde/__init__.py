"""The typed client of agents and collectors."""

from gosonde_common import __version__

__all__ = ["__version__"]
