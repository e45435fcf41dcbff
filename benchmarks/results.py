"""What every benchmark gives: rows of measured values, one format for the table, the JSON file and the plots."""

import json
import math
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from operator import mul
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured several times.

    Attributes:
        benchmark: Which benchmark, such as "life".
        case: What was compared, such as "gosonde" or "bpftrace".
        unit: Of the values.
        values: Each run's.
        x: The amount of work, where a benchmark varies it; 0 where it does not.
        x_unit: What `x` counts.
        compared: Whether the values are comparisons already, in each of which 0 says that nothing differs.
    """

    benchmark: str
    case: str
    unit: str
    values: tuple[float, ...]
    x: float = 0.0
    x_unit: str = ""
    compared: bool = False

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the median of endless runs lies, at 95 %; None for fewer than 6 values.

        By order alone, whatever the values' distribution: so often would so few of them lie on one side of it.
        """
        count, below, rank = len(self.values), 0.0, 0
        while (below := below + math.comb(count, rank) / 2**count) <= (1 - CONFIDENCE) / 2:
            rank += 1
        ordered = sorted(self.values)
        return (ordered[rank - 1], ordered[-rank]) if rank else None


def table(rows: Sequence[Row]) -> str:
    """For people: medians, the interval in which they lie, the spread, and how each compares with the first like it."""
    first: dict[tuple[str, str, float], float] = {}
    head = ("median", "95 % from", "to", "least", "most", "/ first")
    lines = [f"{'benchmark':12} {'case':28} {'x':>10} " + " ".join(f"{name:>10}" for name in head) + "  unit"]
    for row in rows:
        base = 0.0 if row.compared else first.setdefault((row.benchmark, row.unit, row.x), row.median)
        values = (row.median, *(row.interval or (None, None)), min(row.values), max(row.values))
        values = (*values, row.median / base if base else None)
        numbers = " ".join(" " * 10 if value is None else f"{value:10,.4g}" for value in values)
        x = f"{row.x:10,.0f}" if row.x_unit else " " * 10
        lines.append(f"{row.benchmark:12} {row.case:28} {x} {numbers}  {row.unit}")
    return "\n".join(lines)


def growth(rows: Iterable[Row]) -> list[str]:
    """How each cost grows with its work: by a power law or in proportion to it, beside what it costs in any case."""
    series: defaultdict[tuple[str, str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row.x > 0 and row.median > 0:
            series[row.benchmark, row.case, row.unit, row.x_unit].append((row.x, row.median))
    return [
        f"{benchmark}, {case}: {_fitted(points, unit, x_unit)}"
        for (benchmark, case, unit, x_unit), points in series.items()
        if len(points) > 2
    ]


def _fitted(points: Sequence[tuple[float, float]], unit: str, x_unit: str) -> str:
    """The law with the smaller sum of squares of the residuals, each relative to its value."""
    factor, exponent = _power_law(points)
    constant, slope = _line(points)
    if _deviation(points, lambda x: constant + slope * x) < _deviation(points, lambda x: factor * x**exponent):
        return f"{constant:.3g} {slope:+.3g} x ({x_unit}) {unit}"
    return f"{factor:.3g} {unit} x ({x_unit}) ^ {exponent:.2f}"


def _power_law(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(factor, exponent), by least squares over logarithms."""
    exponent, offset = statistics.linear_regression(*zip(*(map(math.log, point) for point in points), strict=True))
    return math.exp(offset), exponent


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(constant, slope), by least squares over residuals relative to the values."""
    weights = [1 / y**2 for _, y in points]
    middle_x, middle_y = (sum(map(mul, weights, axis)) / sum(weights) for axis in zip(*points, strict=True))
    shared = sum(weight * (x - middle_x) * (y - middle_y) for weight, (x, y) in zip(weights, points, strict=True))
    spread = sum(weight * (x - middle_x) ** 2 for weight, (x, _) in zip(weights, points, strict=True))
    return middle_y - shared / spread * middle_x, shared / spread


def _deviation(points: Iterable[tuple[float, float]], law: Callable[[float], float]) -> float:
    return sum((law(x) / y - 1) ** 2 for x, y in points)


def write(rows: Sequence[Row]) -> Path:
    """Adds the rows to those of earlier runs, in place of older ones of the same benchmarks, and returns the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "results.json"
    known = json.loads(path.read_text())["rows"] if path.exists() else []
    fresh = {row.benchmark for row in rows}
    kept = [row for row in known if row["benchmark"] not in fresh]
    host = {"kernel": platform.release(), "cpus": os.cpu_count(), "machine": platform.machine()}
    path.write_text(json.dumps({"host": host, "rows": kept + [asdict(row) for row in rows]}, indent=1) + "\n")
    return path


def pictures(rows: Sequence[Row]) -> str:
    """Draws the rows, where what draws is there; says how many pictures there are, or why there are none."""
    try:
        return f"with {len(plot(rows))} pictures"
    except ImportError as error:
        return f"without pictures: the Python module {error.name} is missing: pip install 'gosonde[bench]'"


def plot(rows: Sequence[Row]) -> list[Path]:
    """A picture for each benchmark and unit.

    Raises:
        ImportError: What draws is missing.
    """
    from matplotlib import pyplot  # noqa: PLC0415 - what reads and compares rows can do without

    paths = []
    for benchmark, unit in sorted({(row.benchmark, row.unit) for row in rows}):
        own = [row for row in rows if (row.benchmark, row.unit) == (benchmark, unit)]
        figure, axes = pyplot.subplots(figsize=(7, 4))
        if own[0].x_unit:
            for case in dict.fromkeys(row.case for row in own):
                line = [row for row in own if row.case == case]
                axes.plot([row.x for row in line], [row.median for row in line], marker="o", label=case)
            axes.set(xscale="log", xlabel=own[0].x_unit)
            if min(row.median for row in own) > 0:
                axes.set_yscale("log")
            axes.legend()
        else:
            ends = [row.interval or (min(row.values), max(row.values)) for row in own]
            spread = [[row.median - low for row, (low, _) in zip(own, ends, strict=True)]]
            spread.append([high - row.median for row, (_, high) in zip(own, ends, strict=True)])
            axes.barh([row.case for row in own], [row.median for row in own], xerr=spread)
            axes.invert_yaxis()
        axes.set_title(f"{benchmark}: {unit}")
        figure.tight_layout()
        path = FOLDER / f"{benchmark}-{''.join(c if c.isalnum() else '-' for c in unit)}.png"
        figure.savefig(path, dpi=120)
        pyplot.close(figure)
        paths.append(path)
    return paths
