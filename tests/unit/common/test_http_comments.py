"""Hosts go through the comments of a profile as they were, and what cannot be is refused."""

import pytest
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.http import MOST_CHARACTERS, MOST_HOSTS, HostConnections
from gosonde_common.wire.http_comments import START, comments, read

FOUND = (HostConnections("https://api:443", 40, 37, 0, 3, 30), HostConnections("", 1, 0, 0, 0, 0))


def test_what_was_written_is_read_beside_other_comments() -> None:
    assert read(["read by gosonde", *comments(FOUND), "another"]) == FOUND
    assert list(comments(())) == []
    assert read(["read by gosonde"]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "[[]]",
        '[["h",1,1,1,1]]',
        '[["h",1,1,1,1,1,1]]',
        '[["h",1,0,0,0,-1]]',
        '[["h",1,0,0,0,true]]',
        '[["h",1,1,1,0,0]]',
        '[["h",2,1,1,0,2]]',
        "[[7,1,0,0,0,0]]",
        f'[["{"h" * (MOST_CHARACTERS + 1)}",1,0,0,0,0]]',
        "[" + ",".join(['["h",1,0,0,0,0]'] * (MOST_HOSTS + 1)) + "]",
        "[" * 100_000,
        f'[["h",{1 << 63},0,0,0,0]]',
    ],
)
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="the comment about HTTP connections is damaged"):
        read([START + text])
