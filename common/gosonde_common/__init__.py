"""What agent, collector, client and command share."""

from gosonde_common._version import __version__

__all__ = ["__version__"]
