"""A plugin of pytest that writes onto a disk how each test ended, at once: what ended before a kernel died is known."""

import json
import os
import platform
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", required=True, type=Path, help="The disk.")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Results(config.getoption("--results")), "results")


class Results:
    """Writes a line of JSON for the kernel, and one for each test."""

    def __init__(self, disk: Path) -> None:
        self._disk = os.open(disk, os.O_WRONLY | os.O_SYNC)
        self._write({"kernel": platform.release(), "machine": platform.machine()})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a test that passes, its own part; of others whatever failed or was skipped."""
        if report.when == "call" or not report.passed:
            self._write({"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 1)})

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._disk, f"{json.dumps(line)}\n".encode())
