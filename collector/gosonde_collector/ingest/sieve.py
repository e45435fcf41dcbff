"""What is left of an observation when each element that is wrong is taken out: a row, a process, a name, a loss.

What is wrong is what the checks refuse; a table whose columns have different lengths has no rows that could be named.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message
from gosonde_pb.v1 import model_pb2

from gosonde_collector.model.errors import BatchError

#: Checks of one batch; where more are needed, too much of it is wrong.
MAX_CHECKS: Final = 5_000

#: Each raises BatchError for an element that is wrong.
TableCheck = Callable[[Any], object]
ProcessCheck = Callable[[int, model_pb2.Process], object]
LossCheck = Callable[[str, int], object]


@dataclass(slots=True)
class Sieve:
    """Of one observation.

    Attributes:
        left_out: How many elements were taken out, by the name of their table.
    """

    processes: ProcessCheck
    tables: Mapping[str, TableCheck]
    losses: LossCheck
    left_out: Counter[str] = field(default_factory=Counter)
    _checks: int = 0

    def sifted(self, seen: model_pb2.Observation) -> model_pb2.Observation:
        """The sound elements; rows of a process that is taken out go with it.

        Raises:
            BatchError: Too much of it is wrong.
        """
        kept = model_pb2.Observation(taken_unix_nano=seen.taken_unix_nano)
        if self._passes(self.losses, "interval_ns", seen.interval_ns):
            kept.interval_ns = seen.interval_ns
        sound = [number for number, own in enumerate(seen.processes) if self._passes(self.processes, number, own)]
        kept.processes.extend(seen.processes[number] for number in sound)
        self._count("processes", len(seen.processes) - len(sound))
        place = {old: new for new, old in enumerate(sound)}
        for name, check in self.tables.items():
            table = getattr(seen, name)
            rows = self._sound_rows(table, check)
            self._copy(table, getattr(kept, name), rows, place)
            self._count(name, _length(table) - _length(getattr(kept, name)))
        for name, total in seen.losses.items():
            if self._passes(self.losses, name, total):
                kept.losses[name] = total
        self._count("losses", len(seen.losses) - len(kept.losses))
        return kept

    def _sound_rows(self, table: Message, check: Callable[[Any], object]) -> list[int]:
        lengths = {len(column) for _, column in table.ListFields()}
        return self._sound_of(table, check, range(_length(table))) if len(lengths) == 1 else []

    def _sound_of(self, table: Message, check: Callable[[Any], object], rows: range) -> list[int]:
        """The rows that pass the check: all together, or else those of each half."""
        part = type(table)()
        for column, values in table.ListFields():
            getattr(part, column.name).extend(values[rows.start : rows.stop])
        if self._passes(check, part):
            return list(rows)
        if len(rows) == 1:
            return []
        middle = len(rows) // 2
        return [row for half in (rows[:middle], rows[middle:]) for row in self._sound_of(table, check, half)]

    @staticmethod
    def _copy(table: Message, kept: Message, rows: Sequence[int], place: Mapping[int, int]) -> None:
        """Rows of processes that are kept, which have other places now."""
        columns = {column.name: list(values) for column, values in table.ListFields()}
        if "process" in columns:
            rows = [row for row in rows if columns["process"][row] in place]
            columns["process"] = [place.get(old, 0) for old in columns["process"]]
        for column, values in columns.items():
            getattr(kept, column).extend(values[row] for row in rows)

    def _passes(self, check: Callable[..., object], *element: object) -> bool:
        self._checks += 1
        if self._checks > MAX_CHECKS + len(self.tables):
            raise BatchError("too much of the batch is wrong")
        try:
            check(*element)
        except BatchError:
            return False
        return True

    def _count(self, name: str, elements: int) -> None:
        if elements:
            self.left_out[name] += elements


def _length(table: Message) -> int:
    """Rows of the longest column."""
    return max((len(column) for _, column in table.ListFields()), default=0)
