"""Rows as a collector answers them."""

from typing import Any

from gosonde.collector_client import ProcessRow


def process_row(**changed: Any) -> ProcessRow:
    """A process that is observed, with whatever is to be otherwise."""
    values: dict[str, Any] = {
        "host": "web-1",
        "pid": 7,
        "exe": "/srv/app",
        "go_version": "go1.27.3",
        "build_id": "build",
        "started_unix_nano": 1_700_000_000_000_000_000,
        "level": "full",
        "created": 900,
        "exited": 890,
        "live": 10,
        "overhead_percent": 0.5,
        "overhead_core_percent": 0.1,
        "precise": True,
        "steps": [],
        "clock_offset_ns": 0,
        "age_ns": 1_000_000_000,
        "stale": False,
        "sums": 0,
        "no_probes_because": "",
        "source": "ebpf",
    }
    return ProcessRow(**(values | changed))
