"""Rows a second that clients of ClickHouse insert and read, from and to lists of columns, on Debian's server (18.16).

A row is one of site_counters with its host. Each figure is the median of the rounds: by the clock, in which the server
works as well, and by the CPU time of the client alone.

Usage: .venv/bin/python -m benchmarks.clickhouse_clients [ROWS] [ROUNDS]
Needs: clickhouse-server of Debian 12; pip install 'clickhouse-driver[lz4,numpy]' clickhouse-connect
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.clickhouse_server import ClickHouseServer

COLUMNS = ("process", "sequence", "taken_unix_nano", "created", "exited", "baseline", "mismatch")
TABLE = f"""
CREATE TABLE counters (host String, pc UInt64, {", ".join(f"{name} Int64" for name in COLUMNS)})
ENGINE = MergeTree PARTITION BY tuple() ORDER BY (host, process, pc, sequence)
"""
#: Rows of one host.
SITES = 1_000


def columns(rows: int) -> list[Any]:
    """As the store has them: hosts as texts, all others as arrays."""
    rng = np.random.default_rng(1)
    hosts = np.array([f"host-{number // SITES}" for number in range(rows)], object)
    return [hosts, rng.integers(0, 1 << 63, rows, np.uint64), *rng.integers(0, 1 << 40, (len(COLUMNS), rows))]


def timed(act: Callable[[], object], rows: int, rounds: int) -> str:
    clocks, cpus = [], []
    for _ in range(rounds):
        clock, cpu = time.perf_counter(), time.process_time()
        act()
        cpus.append(time.process_time() - cpu)
        clocks.append(time.perf_counter() - clock)
    return "".join(f"{rows / statistics.median(times):16,.0f}" for times in (clocks, cpus))


def driver(server: ClickHouseServer, rows: int, rounds: int) -> None:
    """clickhouse-driver: the native protocol."""
    from clickhouse_driver import Client  # noqa: PLC0415 - the measurement says what each client needs

    arrays = columns(rows)
    for name, compression, use_numpy in (
        ("lists", False, False),
        ("lists, LZ4", "lz4", False),
        ("numpy with pandas", False, True),
        ("numpy with pandas, LZ4", "lz4", True),
    ):
        client = Client("127.0.0.1", server.native, compression=compression, settings={"use_numpy": use_numpy})
        client.execute("DROP TABLE IF EXISTS counters")
        client.execute(TABLE)

        def insert(client: Client = client, use_numpy: bool = use_numpy) -> None:
            given: Sequence[Any] = arrays if use_numpy else [column.tolist() for column in arrays]
            client.execute("INSERT INTO counters VALUES", given, columnar=True)

        def read(client: Client = client) -> None:
            found = client.execute("SELECT * FROM counters LIMIT %(rows)s", {"rows": rows}, columnar=True)
            assert len(found[0]) == rows

        print(f"clickhouse-driver, {name:24} insert{timed(insert, rows, rounds)}")
        print(f"clickhouse-driver, {name:24} read  {timed(read, rows, rounds)}")
        client.disconnect()


def connect(server: ClickHouseServer) -> None:
    """clickhouse-connect: HTTP. Nothing to measure where it does not connect."""
    import clickhouse_connect  # noqa: PLC0415 - the same
    from clickhouse_connect.driver.exceptions import Error  # noqa: PLC0415 - the same

    try:
        clickhouse_connect.get_client(host="127.0.0.1", port=server.http).close()
    except Error as error:
        print(f"clickhouse-connect does not connect: {error}")
    else:
        print("clickhouse-connect connects: measure it")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(", ".join(f"{name} {version(name)}" for name in ("clickhouse-driver", "clickhouse-connect")))
    print(f"{rows} rows{'':43}{'rows/s':>16}{'rows/CPU s':>16}")
    with tempfile.TemporaryDirectory() as folder, ClickHouseServer(Path(folder)) as server:
        driver(server, rows, rounds)
        connect(server)


if __name__ == "__main__":
    main()
