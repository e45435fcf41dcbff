"""What the runtime of a process says of itself reaches the client as it was stored."""

from dataclasses import replace

import pytest
from gosonde.row_wire import process_of
from gosonde_collector.model.values import KnownProcess
from gosonde_collector.query.query_wire import process_row
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures

from tests.unit.collector.batches import START, process

FIGURES = RuntimeFigures(9, goroutines=7, memory_limit_bytes=UNLIMITED, gogc_percent=100)
KNOWN = KnownProcess("web-1", process(), 0, 0, 0, START, 0, 0, runtime_figures=FIGURES)


def test_figures_are_told_with_their_process() -> None:
    assert process_of(process_row(KNOWN, START, 0, "")).runtime_figures == FIGURES


def test_a_process_whose_runtime_was_not_read_has_none() -> None:
    assert process_of(process_row(replace(KNOWN, runtime_figures=None), START, 0, "")).runtime_figures is None


def test_a_row_without_one_reading_is_refused() -> None:
    row = process_row(KNOWN, START, 0, "")
    del row.runtime.goroutines[:]
    with pytest.raises(InvalidInputError, match="not one reading"):
        process_of(row)
