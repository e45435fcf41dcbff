"""The base of every error that gosonde raises on purpose.

Agent, collector and client derive their own errors from these. An error's class decides its exit code (here) and its
gRPC status (`gosonde_common.serving`). A message says what failed, why, and what to do about it.
"""


class GosondeError(Exception):
    """Something failed. Exit code 1."""

    exit_code = 1


class UsageError(GosondeError):
    """The command or the configuration is invalid. Exit code 2."""

    exit_code = 2


class UnsupportedError(GosondeError):
    """Not permitted or not supported here. The message says what is missing and how to get it. Exit code 3."""

    exit_code = 3


class InvalidInputError(GosondeError):
    """Data that came from outside is malformed or too large. The message says what was wrong and where."""


class NotFoundError(GosondeError):
    """What was asked for is not there."""


class UnavailableError(GosondeError):
    """A server that is needed does not answer."""


class UnauthenticatedError(GosondeError):
    """Who asks has not shown who it is: a token or a certificate is missing, unknown or revoked. Exit code 3."""

    exit_code = 3


class ForbiddenError(GosondeError):
    """Who asks is known and may not do this. Exit code 3."""

    exit_code = 3


class OverloadedError(GosondeError):
    """A limit is reached: too large, too many, too often, or no room to store it. Trying again later may help."""
