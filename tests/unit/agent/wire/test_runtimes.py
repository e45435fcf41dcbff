"""What runtimes say of themselves comes out of a message as it went in, and what none can say is refused."""

import pytest
from gosonde_agent.wire.encoding import encode
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import RuntimeReading
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures
from gosonde_common.wire.observations import decode

from tests.unit.agent.observations import observed, process

FIGURES = RuntimeFigures(
    9, 7, 64 << 10, 5 << 20, UNLIMITED, 1 << 40, 12_345, None, 3, 40_000, UNLIMITED, 4, tuple(range(14))
)


def test_figures_come_out_as_they_went_in() -> None:
    rows = RuntimeReading(process(1).key, FIGURES), RuntimeReading(process(2).key, RuntimeFigures(8))
    seen = observed(process(1), process(2), runtimes=rows)
    assert decode(encode(seen)) == seen


@pytest.mark.parametrize(("name", "value"), [("goroutines", -1), ("gogc_percent", -3), ("read_unix_nano", -2)])
def test_what_no_runtime_says_is_refused(name: str, value: int) -> None:
    message = encode(observed(process(1), runtimes=(RuntimeReading(process(1).key, FIGURES),)))
    getattr(message.runtime_readings, name)[0] = value
    with pytest.raises(InvalidInputError, match=f"RuntimeReadings.{name} is {value}"):
        decode(message)


def test_counts_that_are_too_few_are_refused() -> None:
    message = encode(observed(process(1), runtimes=(RuntimeReading(process(1).key, FIGURES),)))
    del message.runtime_readings.schedule_durations[0].counts[3:]
    with pytest.raises(InvalidInputError, match="schedule_durations has 3 counts, not 14"):
        decode(message)


def test_columns_of_different_length_are_refused() -> None:
    message = encode(observed(process(1), runtimes=(RuntimeReading(process(1).key, FIGURES),)))
    del message.runtime_readings.processors[:]
    with pytest.raises(InvalidInputError, match="columns of different length"):
        decode(message)
