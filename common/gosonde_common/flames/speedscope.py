"""Stacks in speedscope's file format: https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts."""

from collections.abc import Iterable
from typing import Any, Final

from gosonde_common.flames.tree import Stack
from gosonde_common.values.goroutines import Location

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def document(stacks: Iterable[Stack], name: str, exporter: str) -> dict[str, Any]:
    """A file with one sampled profile: a sample is a stack, its weight how many goroutines stand there.

    Args:
        name: What is shown above it.
        exporter: The program that has written it, with its version.
    """
    frames: dict[Location, int] = {}
    samples: list[list[int]] = []
    weights: list[int] = []
    for stack in stacks:
        samples.append([frames.setdefault(call, len(frames)) for call in stack.calls])
        weights.append(stack.goroutines)
    return {
        "$schema": SCHEMA,
        "shared": {"frames": [_frame(call) for call in frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "none",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
        "name": name,
        "activeProfileIndex": 0,
        "exporter": exporter,
    }


def _frame(call: Location) -> dict[str, Any]:
    """speedscope takes frames apart by their names alone where nothing else is given: no file, no line of 0."""
    place = {"file": call.file, "line": call.line} if call.file and call.line > 0 else {}
    return {"name": call.function, **place}
