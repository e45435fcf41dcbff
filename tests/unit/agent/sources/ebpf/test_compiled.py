"""Compiled probes: maps by name instead of by descriptor, and a file that is believed only as it was written."""

import os
import random
import re
import struct
from pathlib import Path

import pytest
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.ebpf import compiled_file, probe_text
from gosonde_agent.sources.ebpf.compiled import Compiled, from_bytes, program
from gosonde_agent.sources.ebpf.compiled_file import FILE_NAME, NotKeptError
from gosonde_agent.sources.ebpf.loading import MAPS

KEY = "kernel, bcc and source"
EXIT = struct.pack("<BBhi", 0x95, 0, 0, 0)


def load_64(value: int, source_register: int) -> bytes:
    """The two halves of an instruction that loads 64 bits."""
    return struct.pack("<BBhi", 0x18, source_register << 4 | 1, 0, value) + bytes(8)


SITES = program(2, load_64(7, 1) + load_64(0x18, 0) + EXIT, {7: "sites"})
COMPILED = Compiled({"sites": (5, 24, 16, 131_072, 0)}, {"on_created": SITES})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o750)
    compiled_file.keep(tmp_path, KEY, COMPILED)
    return tmp_path


def test_the_descriptor_of_a_map_becomes_its_name() -> None:
    assert SITES.maps == {0: "sites"}
    assert SITES.code == load_64(0, 1) + load_64(0x18, 0) + EXIT


def test_a_number_that_looks_like_an_instruction_is_left_alone() -> None:
    looks_like_a_map = struct.pack("<BBhi", 0, 0, 0, 0x18)
    code = struct.pack("<BBhi", 0x18, 1, 0, 0) + looks_like_a_map + EXIT
    assert program(2, code, {}).code == code


def test_a_program_that_refers_to_what_is_no_map_of_the_probes_is_refused() -> None:
    with pytest.raises(ProbeError, match="no map of the probes"):
        program(2, load_64(8, 1) + EXIT, {7: "sites"})


def test_what_was_kept_is_read_as_it_was(folder: Path) -> None:
    assert compiled_file.read(folder, KEY) == COMPILED
    assert from_bytes(COMPILED.to_bytes()) == COMPILED


def test_nothing_but_the_file_stays_in_the_folder(folder: Path) -> None:
    compiled_file.keep(folder, "another kernel", COMPILED)
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_what_another_kernel_bcc_or_source_made_is_not_used(folder: Path) -> None:
    with pytest.raises(NotKeptError, match="another kernel"):
        compiled_file.read(folder, "other")


@pytest.mark.parametrize("seed", range(40))
def test_no_damaged_file_is_used(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = folder / FILE_NAME
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    damage = seed % 3
    if damage == 0:
        content[at] ^= 1 << rng.randrange(8)
    elif damage == 1:
        del content[at:]
    else:
        content[at : at + 64] = b"\0" * 64
    path.write_bytes(content)
    with pytest.raises(NotKeptError):
        compiled_file.read(folder, KEY)


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"{}",
        b'{"maps": {"sites": [1]}, "programs": {}}',
        b'{"maps": {"sites": [1, 2, 3, 4, -5]}, "programs": {}}',
        b'{"maps": {}, "programs": {"on_exit": {"kind": 2, "code": "lQAA", "maps": {}}}}',
        b'{"maps": {}, "programs": {"on_exit": {"kind": 2, "code": "lQAAAAAAAAA=", "maps": {"0": "sites"}}}}',
        b'{"maps": {"a": [1, 4, 4, 4, 0]}, "programs": {"b": {"kind": 2, "code": "lQAAAAAAAAA=", "maps": {"9": "a"}}}}',
        b"[" * 100_000,
    ],
)
def test_a_document_that_is_no_compiled_probes_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_bytes(document)


def test_a_file_that_others_can_write_is_not_used(folder: Path) -> None:
    (folder / FILE_NAME).chmod(0o620)
    with pytest.raises(NotKeptError, match="the file can be written by others: mode 620"):
        compiled_file.read(folder, KEY)


def test_a_file_in_a_folder_that_others_can_write_is_not_used(folder: Path) -> None:
    folder.chmod(0o757)
    with pytest.raises(NotKeptError, match="the folder can be written by others"):
        compiled_file.read(folder, KEY)


def test_a_link_in_place_of_the_file_is_not_followed(folder: Path) -> None:
    (folder / FILE_NAME).rename(folder / "elsewhere")
    (folder / FILE_NAME).symlink_to(folder / "elsewhere")
    with pytest.raises(NotKeptError, match="cannot be read"):
        compiled_file.read(folder, KEY)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_file_of_another_user_is_not_used(folder: Path) -> None:
    os.chown(folder / FILE_NAME, 65_534, 65_534)
    with pytest.raises(NotKeptError, match="belongs to user 65534"):
        compiled_file.read(folder, KEY)


def test_every_map_of_the_source_is_loaded() -> None:
    declared = re.findall(
        r"^BPF_(?:\w*TABLE\(\s*\"\w+\",[^,]+,[^,]+,|\w+\()\s*(\w+)", probe_text.source(), re.MULTILINE
    )
    assert len(declared) > 10
    assert sorted(declared) == sorted(MAPS)
