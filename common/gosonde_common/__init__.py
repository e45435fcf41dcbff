"""What agent, collector, client and command share."""

#: The version, in one place: the build reads it here, and who asks for it needs no module that reads installations.
__version__ = "0.1.0"
