"""Reads OCI archives: which images are in one, for which architectures."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

ELF: Final = b"\x7fELF"


def images(archive: Path) -> Mapping[str, tuple[str, int]]:
    """By architecture the digest of the image, and its bytes as it is sent.

    Raises:
        KeyError: It is no OCI archive of one list of images.
        ValueError: It names more than one list.
    """
    with tarfile.open(archive) as tar:
        (named,) = _read(tar, "index.json")["manifests"]
        return {
            image["platform"]["architecture"]: (image["digest"], _sent(tar, image["digest"]))
            for image in _blob(tar, named["digest"])["manifests"]
        }


def linked(archive: Path, architecture: str) -> tuple[set[str], set[str]]:
    """Names of the libraries that an image's programs and libraries link to, and of all files that it has."""
    needed: set[str] = set()
    present: set[str] = set()
    with tarfile.open(archive) as tar:
        digest = images(archive)[architecture][0]
        for part in _blob(tar, digest)["layers"]:
            layer = tar.extractfile(f"blobs/{part['digest'].replace(':', '/')}")
            with tarfile.open(fileobj=layer, mode="r|*") as files:
                for member in files:
                    present.add(member.name.rpartition("/")[2])
                    file = files.extractfile(member) if member.isreg() else None
                    if file:
                        needed |= _needed(file.read())
    return needed, present


def _needed(content: bytes) -> set[str]:
    """The libraries that a file says that it needs; none if it is no ELF file."""
    if content[:4] != ELF:
        return set()
    dynamic = ELFFile(io.BytesIO(content)).get_section_by_name(".dynamic")
    tags = dynamic.iter_tags("DT_NEEDED") if isinstance(dynamic, DynamicSection) else ()
    return {str(vars(tag)["needed"]) for tag in tags}


def _sent(tar: tarfile.TarFile, digest: str) -> int:
    manifest = _blob(tar, digest)
    return sum(part["size"] for part in (manifest["config"], *manifest["layers"]))


def _blob(tar: tarfile.TarFile, digest: str) -> Any:
    return _read(tar, f"blobs/{digest.replace(':', '/')}")


def _read(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file
    return json.load(file)
