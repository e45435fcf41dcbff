"""Requests to the helper: what has the form, and what is refused before anything of it is looked at."""

import socket

import pytest
from gosonde_agent.host import helper_messages
from gosonde_agent.host.helper_messages import ALL, REQUEST, Kind, Request
from gosonde_agent.model.errors import NoSuchProcessError, RefusedError, UnguardedFileError
from gosonde_common.errors import GosondeError, OverloadedError


@pytest.mark.parametrize(
    ("request_", "descriptors"),
    [
        (Request(Kind.EXECUTABLE, 1), 0),
        (Request(Kind.HAS_SOCKET, 4_194_304, (1 << 64) - 1), 0),
        (Request(Kind.UPROBE, ALL, 0x1000), 1),
        (Request(Kind.UPROBE, 7, 0x1000), 1),
        (Request(Kind.LINK_UPROBE, ALL, 0x1000, 5, 2), 1),
        (Request(Kind.LINK, cookie=9, program=3), 1),
        (Request(Kind.RAW_TRACEPOINT, program=1), 0),
    ],
)
def test_a_request_arrives_as_it_was_sent(request_: Request, descriptors: int) -> None:
    assert Request.decoded(request_.encoded(), descriptors) == request_


@pytest.mark.parametrize(
    ("message", "descriptors", "reason"),
    [
        (b"x", 0, "of 1 bytes"),
        (REQUEST.pack(Kind.MEMORY, 1, 0, 0, 0) + b"\0", 0, "of 33 bytes"),
        (REQUEST.pack(0, 1, 0, 0, 0), 0, "of unknown kind"),
        (REQUEST.pack(99, 1, 0, 0, 0), 0, "of unknown kind"),
        (REQUEST.pack(255, 1, 0, 0, 0), 1, "of unknown kind"),
        (REQUEST.pack(Kind.MEMORY, 1, 0, 0, 0), 1, "with 1 descriptors"),
        (REQUEST.pack(Kind.UPROBE, ALL, 0, 0, 0), 0, "with 0 descriptors"),
        (REQUEST.pack(Kind.MEMORY, 0, 0, 0, 0), 0, "for process 0"),
        (REQUEST.pack(Kind.MEMORY, -1, 0, 0, 0), 0, "for process -1"),
        (REQUEST.pack(Kind.MEMORY, 1 << 23, 0, 0, 0), 0, "for process 8388608"),
        (REQUEST.pack(Kind.UPROBE, -1, 0, 0, 0), 1, "for process -1"),
    ],
)
def test_a_request_without_the_form_is_refused(message: bytes, descriptors: int, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        Request.decoded(message, descriptors)


@pytest.mark.parametrize("error", [NoSuchProcessError("gone"), RefusedError("no"), UnguardedFileError("\udcff")])
def test_an_error_arrives_as_what_it_was(error: GosondeError) -> None:
    with pytest.raises(type(error)) as raised:
        helper_messages.text_of(helper_messages.failure(error), ())
    assert type(raised.value) is type(error)


def test_an_error_that_the_protocol_does_not_name_arrives_as_one_of_gosonde() -> None:
    with pytest.raises(GosondeError, match="too much"):
        helper_messages.text_of(helper_messages.failure(OverloadedError("too much")), ())


def test_a_message_that_is_too_long_does_not_pass_for_a_request() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        here.send(REQUEST.pack(Kind.MEMORY, 1, 0, 0, 0) + bytes(1000))
        message, descriptors = helper_messages.received(there, REQUEST.size)
    with pytest.raises(RefusedError, match="of 33 bytes"):
        Request.decoded(message, len(descriptors))
