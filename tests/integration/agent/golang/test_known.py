"""A build that was seen before is known at once, and a file that only claims to be it is not."""

import os
import shutil
from pathlib import Path

from gosonde_agent.golang import binary
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.known import MAX_KNOWN, KnownBinaries

from tests import go_programs


def load(path: Path, known: KnownBinaries) -> binary.GoBinary:
    fd = os.open(path, os.O_RDONLY)
    try:
        return binary.load(fd, str(path), known)
    finally:
        os.close(fd)


def test_a_copy_of_a_known_build_has_the_same_facts_and_names_of_its_own(tmp_path: Path) -> None:
    known = KnownBinaries()
    first = load(go_programs.build("churn"), known)
    copy = tmp_path / "copy"
    shutil.copy(go_programs.build("churn"), copy)
    second = load(copy, known)
    assert second.points is first.points
    assert second.identity != first.identity
    main = second.pclntab.find("main.main")
    assert main is not None
    assert second.go_statement(main.entry + 1).function == "main.main"


def test_a_file_with_a_borrowed_build_id_and_other_code_is_read_anew(tmp_path: Path) -> None:
    known = KnownBinaries()
    first = load(go_programs.build("churn"), known)
    image = bytearray(go_programs.build("churn").read_bytes())
    place = first.file_offsets["created"]
    assert (first.points["created"].instruction.split()[0], image[place]) == ("jne", 0x75)
    image[place] = 0x74  # the opposite jump
    forged = tmp_path / "forged"
    forged.write_bytes(image)
    second = load(forged, known)
    assert second.build_id == first.build_id
    assert second.points is not first.points
    assert second.points["created"].instruction.split()[0] == "je"


def test_no_more_builds_are_remembered_than_stated() -> None:
    known = KnownBinaries()
    fd = os.open(go_programs.build("churn"), os.O_RDONLY)
    image = ElfImage(fd)
    load(go_programs.build("churn"), known)
    facts = known.get(image, load(go_programs.build("churn"), known).build_id)
    assert facts is not None
    for number in range(MAX_KNOWN + 10):
        known.add(image, str(number), facts)
    os.close(fd)
    assert len(known) == MAX_KNOWN
