"""What is left of an observation when each element that is wrong is taken out: a row, a process, a name, a loss.

What is wrong is what the checks refuse; a table whose columns have different lengths has no rows that could be named.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import Message
from gosonde_common import halving
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

    def _sound_rows(self, table: Message, check: TableCheck) -> Sequence[int]:
        columns = [(column.name, values) for column, values in table.ListFields()]
        if len({len(values) for _, values in columns}) != 1:
            return ()

        def is_sound(rows: Sequence[int]) -> bool:
            part = type(table)()
            for name, values in columns:
                getattr(part, name).extend(values[rows[0] : rows[-1] + 1])
            return self._passes(check, part)

        return halving.sound(range(_length(table)), is_sound)

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
