"""Writes agent/gosonde_agent/golang/layouts.json: where each Go release keeps the fields of the runtime's structures.

For each release and architecture it builds a small program with that release's own toolchain and reads its DWARF. Of
1.17 and 1.20 no toolchain can be had, so the DWARF is that of programs which others built with them and published. Of
1.18 there is no such program: it has only the fields that were read off its source.

    .venv/bin/python scripts/generate_layouts.py [--check]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gosonde_agent.golang.dwarf import read_constants, read_structures  # noqa: E402
from gosonde_agent.golang.elf import ElfImage  # noqa: E402
from gosonde_agent.golang.layouts import SPECIAL_KIND, TABLE  # noqa: E402

from tests import real_binaries, toolchains  # noqa: E402

STRUCTURES = (
    *("g", "gobuf", "m", "p", "schedt", "mstats", "heapStatsDelta", "gcControllerState", "workType", "moduledata"),
    *("sudog", "hchan", "coro", "_func", "inlinedCall", "notifyList", "timer", "timers", "timerWhen"),
    *("mheap", "mspan", "gcWork", "wbBuf", "special", "specialfinalizer", "specialWeakHandle", "specialCleanup"),
    *("finblock", "finBlock", "finalizer", "cleanupQueue", "cleanupBlock", "cleanupFn"),
)
#: Of them only the fields are kept, not the fields of structures in them.
ONLY_OWN_FIELDS = ("mheap",)
ARCHITECTURES = ("amd64", "arm64")
FUNC_ID = re.compile(r"^\s+(?:FuncID_?|funcID_)(\w+)(?:\s+[fF]uncID\s*=\s*iota)?\s*(?://.*)?$")
KEPT_FUNC_IDS = ("normal", "goexit", "gopanic", "mcall", "panicwrap", "sigpanic", "systemstack", "wrapper")

#: runtime.g has the same fields in the same order as in Go 1.19 up to startpc (the sum of trackingStamp, runnableTime
#: and what follows is the same).
FROM_SOURCE: dict[str, dict[str, dict[str, int]]] = {
    "1.18": {"g": {"gopc": 296, "startpc": 312}, "moduledata": {"text": 176, "etext": 184, "gofunc": 304}},
}
#: FuncIDs of releases without a toolchain are numbered as in Go 1.19; up to 1.17 jmpdefer was one of them.
WITHOUT_TOOLCHAIN = (*FROM_SOURCE, *real_binaries.BUILDIFIER)
FUNC_IDS_FROM = "1.19.8"
JMPDEFER = 11

#: It waits on a sync.Cond, for a program that has none has no notifyList.
PROGRAM = 'package main\n\nimport "sync"\n\nfunc main() { sync.NewCond(&sync.Mutex{}).Wait() }\n'


def main() -> None:
    """Writes the table, or with --check fails when it is not what would be written."""
    text = render(toolchains.LAYOUT_VERSIONS)
    if "--check" in sys.argv[1:]:
        if TABLE.read_text() != text:
            sys.exit(f"{TABLE} is not what scripts/generate_layouts.py writes: run it")
        return
    TABLE.write_text(text)
    print(f"wrote {TABLE.relative_to(ROOT)}")


def render(versions: tuple[str, ...]) -> str:
    """The whole table as JSON, a field a line."""
    releases = sorted((*versions, *WITHOUT_TOOLCHAIN), key=lambda release: tuple(map(int, release.split("."))))
    func_ids = {release: func_ids_of(release) for release in releases}
    columns = {architecture: [column(release, architecture) for release in releases] for architecture in ARCHITECTURES}
    table = {
        "releases": releases,
        "func_ids": {name: [func_ids[release].get(name) for release in releases] for name in KEPT_FUNC_IDS},
        "special_kinds": fields_of([column.get(SPECIAL_KIND, {}) for column in columns["amd64"]]),
        "structures": {architecture: rows(columns[architecture]) for architecture in ARCHITECTURES},
    }
    text = json.dumps(table, indent=1)
    return re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"


def rows(columns: list[dict[str, Any]]) -> dict[str, dict[str, list[int | None]]]:
    """By structure and field, the offset in each release."""
    table = {structure: fields_of([column.get(structure, {}) for column in columns]) for structure in STRUCTURES}
    for structure in ONLY_OWN_FIELDS:
        table[structure] = {name: offsets for name, offsets in table[structure].items() if "." not in name}
    return table


def fields_of(columns: list[dict[str, int]]) -> dict[str, list[int | None]]:
    """By name, the number in each release; names of padding are left out."""
    names = dict.fromkeys(name for column in columns for name in column if name.strip("_.") != "")
    kept = [name for name in names if not name.endswith("._")]
    return {name: [column.get(name) for column in columns] for name in sorted(kept)}


def column(release: str, architecture: str) -> dict[str, Any]:
    """Offsets by structure and field in one release."""
    if release in FROM_SOURCE:
        return FROM_SOURCE[release]
    if release in real_binaries.BUILDIFIER:
        return structures_of(real_binaries.buildifier(release, architecture))
    print(f"go{release} {architecture}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.go").write_text(PROGRAM)
        environment = toolchains.environment(release) | {"GOARCH": architecture, "GOFLAGS": ""}
        command = [str(toolchains.go(release)), "build", "-o", "program", "main.go"]
        subprocess.run(command, cwd=folder, env=environment, check=True)
        return structures_of(Path(folder) / "program")


def structures_of(program: Path) -> dict[str, Any]:
    """Offsets by structure and field, and the kinds of specials, as a program's DWARF has them."""
    with program.open("rb") as file:
        image = ElfImage(file.fileno())
        return {**read_structures(image, STRUCTURES), SPECIAL_KIND: read_constants(image, SPECIAL_KIND)}


def func_ids_of(release: str) -> dict[str, int]:
    """abi.FuncID by lower-case name, in one release."""
    if release not in WITHOUT_TOOLCHAIN:
        return read_func_ids(release)
    numbers = read_func_ids(FUNC_IDS_FROM)
    is_shifted = release.startswith("1.17.")
    return {name: number + (is_shifted and number >= JMPDEFER) for name, number in numbers.items()}


def read_func_ids(release: str) -> dict[str, int]:
    """abi.FuncID (up to Go 1.20 runtime.funcID) by lower-case name, from the toolchain's source."""
    toolchains.go(release)
    source = Path(toolchains.environment(release)["GOROOT"]) / "src"
    path = source / "internal" / "abi" / "symtab.go"
    text = (path if path.exists() else source / "runtime" / "symtab.go").read_text()
    begin = re.search(r"^\s+(?:FuncIDNormal|funcID_normal)\b", text, re.MULTILINE)
    if begin is None:
        raise SystemExit(f"{path} has no list of FuncIDs")
    block = text[begin.start() : text.index("\n)", begin.start())]
    names = [match[1].lower() for line in block.splitlines() if (match := FUNC_ID.match(line))]
    return {name: number for number, name in enumerate(names)}


if __name__ == "__main__":
    main()
