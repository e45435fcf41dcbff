"""What speedscope opens: its published schema, and what that cannot say."""

import json
from typing import Any

import jsonschema

from tests.paths import ROOT

SCHEMA = ROOT / "tests" / "fixtures" / "speedscope" / "file-format-schema.json"


def check_format(written: dict[str, Any]) -> None:
    """The document is as the schema says, its samples name frames that are there, and its weights add up."""
    jsonschema.validate(written, json.loads(SCHEMA.read_text()))
    for profile in written["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(0 <= at < len(written["shared"]["frames"]) for sample in profile["samples"] for at in sample)
    assert 0 <= written["activeProfileIndex"] < len(written["profiles"])
