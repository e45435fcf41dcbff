"""What is written for speedscope is as its file format is documented (file-format-spec.ts)."""

import json
from typing import Any

from gosonde_common import foreign
from gosonde_common.flames.speedscope import SCHEMA, document
from gosonde_common.flames.tree import Stack
from gosonde_common.values.goroutines import Location

UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
READ, SERVE = Location('main."\x1b\u202e', "/src/a.go", 7), Location("main.serve", "/src/a.go", 9)
STATE = Location("IO wait", "", 0)


def check_format(written: dict[str, Any]) -> None:
    """Each member that the format requires, of its type, and no other."""
    assert set(written) == {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
    assert written["$schema"] == SCHEMA
    assert set(written["shared"]) == {"frames"}
    for frame in written["shared"]["frames"]:
        assert {"name"} <= set(frame) <= {"name", "file", "line", "col"}
        assert isinstance(frame["name"], str)
        assert isinstance(frame.get("file", ""), str)
        assert isinstance(frame.get("line", 1), int)
    for profile in written["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled"
        assert profile["unit"] in UNITS
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(0 <= at < len(written["shared"]["frames"]) for sample in profile["samples"] for at in sample)
    assert 0 <= written["activeProfileIndex"] < len(written["profiles"])


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
