"""The agent's idea of the kernel's structs is the compiler's."""

import re
import subprocess
from pathlib import Path

import pytest
from gosonde_agent.model.losses import KERNEL_LOSSES
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.probe_text import probe_dir
from gosonde_agent.sources.events import Event

DTYPES = {
    "image": records.IMAGE,
    "site_key": records.SITE_KEY,
    "site_count": records.SITE_COUNT,
    "site_origin": records.SITE_ORIGIN,
    "hits": records.HITS,
    "park_key": records.PARK_KEY,
    "code_range": records.CODE_RANGE,
    "world": records.WORLD,
    "exec": records.EXEC,
    "entries": records.ENTRIES,
    "spending": records.SPENDING,
    "sample_count": records.SAMPLE_COUNT,
    "sample_place": records.SAMPLE_PLACE,
    "share": records.SHARE,
    "timeline": records.TIMELINE,
    "transition": records.TRANSITION,
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """sizeof and offsetof as a C compiler has them: {"world": 56, "world.reason": 48, ...}."""
    fields = {
        name: re.findall(r"^\t(?:struct )?\w+ (\w+)(?:\[\w+\])?;", body, re.MULTILINE)
        for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", header(), re.MULTILINE | re.DOTALL)
    }
    lines = [f'printf("{name} %zu\\n", sizeof(struct {name}));' for name in fields]
    lines += [
        f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));'
        for name in fields
        for field in fields[name]
    ]
    folder = tmp_path_factory.mktemp("layout")
    program = folder / "layout.c"
    program.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <stdint.h>\n"
        "typedef uint32_t u32;\ntypedef uint64_t u64;\n"
        f"{header()}\nint main(void) {{\n{chr(10).join(lines)}\nreturn 0;\n}}\n"
    )
    subprocess.run(["gcc", "-Wpadded", "-Werror", "-o", str(folder / "layout"), str(program)], check=True)
    output = subprocess.run([str(folder / "layout")], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


def header() -> str:
    """The header that kernel side and agent share."""
    return Path(probe_dir() / "gosonde.h").read_text()


@pytest.mark.parametrize("name", DTYPES)
def test_every_field_lies_where_the_compiler_puts_it(layout: dict[str, int], name: str) -> None:
    dtype = DTYPES[name]
    assert dtype.itemsize == layout[name]
    assert dtype.fields is not None
    compared = [field for field in dtype.fields if f"{name}.{field}" in layout]
    assert compared, "no field has a name in common with the struct"
    for field in compared:
        assert dtype.fields[field][1] == layout[f"{name}.{field}"], field


def test_an_event_is_decoded_field_by_field(layout: dict[str, int]) -> None:
    assert records.EVENT.size == layout["event"]
    offsets = [layout[f"event.{field}"] for field in Event._fields]
    sizes = [following - offset for offset, following in zip(offsets, [*offsets[1:], layout["event"]], strict=True)]
    assert offsets == sorted(offsets)
    assert sizes == [{"I": 4, "Q": 8}[letter] for letter in records.EVENT.format[1:]]


def test_loss_counters_have_the_same_names_on_both_sides() -> None:
    in_c = re.findall(r"^\tLOSS_(\w+) = (\d+),", header(), re.MULTILINE)
    names = [name.lower() for name, _ in sorted(in_c, key=lambda pair: int(pair[1])) if name != "COUNT"]
    assert names == list(KERNEL_LOSSES)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("OWNER_NOBODY", records.OWNER_NOBODY),
        ("LOST_SLOTS", records.LOST_SLOTS),
        ("HIT_SLOTS", records.HIT_SLOTS),
        ("NO_OFFSET", records.NO_OFFSET),
    ],
)
def test_numbers_that_both_sides_use_are_the_same(name: str, number: int) -> None:
    assert int(re.findall(rf"^#define {name} (\w+)$", header(), re.MULTILINE)[0], 0) == number


def test_there_are_as_many_owners_on_both_sides() -> None:
    parts = re.findall(r"^#define OWNER_(?:UIDS|RANGES) (\d+)$", header(), re.MULTILINE)
    assert sum(map(int, parts)) == records.OWNERS


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("TABLE", dict(zip(("EXECS", "IMAGES", "SITES", "SAMPLES"), range(4), strict=True))),
        ("ROUND", {"EVENTS": records.ROUND_EVENTS, "PARKS": records.ROUND_PARKS}),
    ],
)
def test_tables_and_rounds_have_the_same_numbers_on_both_sides(kind: str, numbers: dict[str, int]) -> None:
    found = re.findall(rf"^\t{kind}_(\w+) = (\d+),", header(), re.MULTILINE)
    assert {name: int(number) for name, number in found if name != "COUNT"} == numbers
