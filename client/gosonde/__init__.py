"""The `gosonde` command, the typed client, and the few things that agent, collector and client share."""

from gosonde._version import __version__

__all__ = ["__version__"]
