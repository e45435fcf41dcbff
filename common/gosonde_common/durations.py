"""Lengths of time as people give them to options."""

from gosonde_common.errors import UsageError


def seconds(option: str, text: str, most: float) -> float:
    """ "10", "10s", "1.5m" and "1h" in seconds.

    Raises:
        UsageError: It is none of these, not more than 0, or more than the most.
    """
    factor = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        found = float(text[:-1]) * factor if factor is not None else float(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no duration: write for example 10, 10s or 2m") from error
    if not 0 < found <= most:
        raise UsageError(f"{option} {text!r} is not allowed: more than 0 and at most {most / 3600:.0f}h")
    return found
