"""Builds the Debian packages: `make package`."""
