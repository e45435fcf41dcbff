"""What is written for speedscope is as its schema says."""

import json

from gosonde_common import foreign
from gosonde_common.flames.speedscope import document
from gosonde_common.flames.tree import Stack
from gosonde_common.values.goroutines import Location

from tests.speedscope import check_format

READ, SERVE = Location('main."\x1b\u202e', "/src/a.go", 7), Location("main.serve", "/src/a.go", 9)
STATE = Location("IO wait", "", 0)


def test_it_is_a_sampled_profile_whose_weights_are_goroutines() -> None:
    stacks = [Stack([STATE, SERVE, READ], 7, "IO wait"), Stack([SERVE], 2, "select"), Stack([], 1, "running")]
    written = json.loads(foreign.dumps(document(stacks, "it", "gosonde 1")))
    check_format(written)
    (profile,) = written["profiles"]
    assert profile["weights"] == [7, 2, 1]
    assert profile["samples"] == [[0, 1, 2], [1], []]
    assert written["shared"]["frames"] == [
        {"name": "IO wait"},
        {"name": "main.serve", "file": "/src/a.go", "line": 9},
        {"name": READ.function, "file": "/src/a.go", "line": 7},
    ]


def test_without_goroutines_it_is_a_profile_too() -> None:
    check_format(json.loads(foreign.dumps(document([], "it", "gosonde 1"))))
