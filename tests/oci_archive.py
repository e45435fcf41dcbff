"""Reads OCI archives: which images are in one, for which architectures."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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


def _sent(tar: tarfile.TarFile, digest: str) -> int:
    manifest = _blob(tar, digest)
    return sum(part["size"] for part in (manifest["config"], *manifest["layers"]))


def _blob(tar: tarfile.TarFile, digest: str) -> Any:
    return _read(tar, f"blobs/{digest.replace(':', '/')}")


def _read(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file
    return json.load(file)
