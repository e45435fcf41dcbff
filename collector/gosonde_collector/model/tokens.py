"""Tokens of people and programs: what they send, and what is known of it."""

import hashlib


def bearer(authorization: str) -> str:
    """The token of an `Authorization: Bearer TOKEN`; "" when there is none."""
    kind, _, token = authorization.partition(" ")
    return token if kind.lower() == "bearer" else ""


def digest_of(token: str) -> str:
    """What the file of tokens has in place of a token: the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
