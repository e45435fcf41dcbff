"""Functions, files, lines and inlined calls from pclntab, against `go tool addr2line` and the runtime's own answers."""

import itertools
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.pclntab import printed_name
from gosonde_common.values.goroutines import Location

from tests import go_programs, toolchains
from tests.go_programs import GoProgram
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]
BUILDS: dict[str, dict[str, Any]] = {"default": {}, "stripped": {"ldflags": ("-s", "-w"), "flags": ("-trimpath",)}}
ADDRESSES = 4_000


def load(path: Path) -> GoBinary:
    fd = os.open(path, os.O_RDONLY)
    try:
        return binary.load(fd, str(path))
    finally:
        os.close(fd)


def code_addresses(known: GoBinary) -> list[int]:
    """Addresses in the middle of functions, the same at each run."""
    chance = random.Random(1)
    entries = known.pclntab.entries.tolist()
    spans = [(low, high) for low, high in itertools.pairwise(entries) if high - low > 2]
    return sorted(chance.randrange(low + 1, high - 1) for low, high in chance.choices(spans, k=ADDRESSES))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_innermost_frame_of_any_address_is_the_runtimes(
    go_program: Start, version: str, build: str, tmp_path: Path
) -> None:
    known = load(go_programs.build("symbols", version, **BUILDS[build]))
    addresses = code_addresses(known)
    (tmp_path / "addresses").write_text("".join(f"{pc + 1:x}\n" for pc in addresses))
    answer = go_program("symbols", version=version, **BUILDS[build]).ask(f"innermost {tmp_path / 'addresses'}")
    compared = 0
    for pc, expected in zip(addresses, answer["frames"], strict=True):
        frames = known.pclntab.frames_of(pc)
        if expected is None or not frames or not expected[0]:
            continue  # up to Go 1.19 the runtime has no name for the function whose name comes first in the table
        wrappers = known.pclntab.frames_of(pc, known.layout.func_ids["gopanic"])
        found = [(frame.function, frame.file, frame.line) for frame in (wrappers[0], frames[0])]
        assert (printed_name(expected[0]), *expected[1:]) in found, hex(pc)
        compared += 1
    assert compared > ADDRESSES * 0.9


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_inlined_into_a_function_is_all_that_any_of_its_addresses_shows(version: str) -> None:
    pclntab = load(go_programs.build("contexts/forgotten", version)).pclntab
    inlined = 0
    for name in ("main.main.func1", "main.handle", "net/http.Get", "fmt.Fprintf", "time.AfterFunc"):
        found = pclntab.find(name)
        details = pclntab.details_of(found.entry) if found else None
        if found is None or details is None:
            continue
        shown = {frame.function for pc in range(found.entry, found.end) for frame in pclntab.frames_of(pc)[:-1]}
        into = {printed_name(one) for one in pclntab.inlined_into(details)}
        assert shown <= into
        inlined += len(shown)
    assert inlined >= 3


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_whole_stacks_with_their_inlined_calls_are_the_runtimes(go_program: Start, version: str, build: str) -> None:
    known = load(go_programs.build("symbols", version, **BUILDS[build]))
    stacks = go_program("symbols", version=version, **BUILDS[build]).ask("stacks")["stacks"]
    assert len(stacks) > 20
    inlined = 0
    for stack in stacks:
        found = []
        pcs = [int(pc, 16) for pc in stack["pcs"]]
        for frames in physical_frames(known, pcs):
            found += [[frame.function, frame.file, frame.line] for frame in frames]
            inlined += len(frames) - 1
        assert found == [[printed_name(function), file, line] for function, file, line in stack["frames"]]
    assert inlined > 50


def physical_frames(known: GoBinary, pcs: list[int]) -> Iterator[tuple[Location, ...]]:
    """The frames at each return address, without the addresses that runtime.Callers adds for inlined callers."""
    callee, index = 0, 0
    while index < len(pcs):
        details = known.pclntab.details_of(pcs[index] - 1)
        assert details is not None
        frames = known.pclntab.frames_of(pcs[index] - 1, callee)
        callee = details.func_id
        index += max(len(frames), 1)
        yield frames


@pytest.mark.parametrize("version", VERSIONS)
def test_function_file_and_line_of_any_address_are_those_of_addr2line(version: str) -> None:
    path = go_programs.build("symbols", version)
    known = load(path)
    addresses = code_addresses(known)
    for pc, (function, place) in zip(addresses, addr2line(path, version, tuple(addresses)), strict=True):
        location = known.pclntab.location_of(pc)
        assert location is not None
        if (location.file, place) == ("?", ":-1"):
            continue  # padding between two functions
        assert (location.function, f"{location.file}:{location.line}") == (printed_name(function), place), hex(pc)


@cache
def addr2line(path: Path, version: str, addresses: tuple[int, ...]) -> list[tuple[str, str]]:
    """(function, file:line) of each address, as `go tool addr2line` has them."""
    done = subprocess.run(
        [str(toolchains.go(version)), "tool", "addr2line", str(path)],
        input="".join(f"{pc:#x}\n" for pc in addresses),
        env=toolchains.environment(version),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return list(zip(lines[::2], lines[1::2], strict=True))
