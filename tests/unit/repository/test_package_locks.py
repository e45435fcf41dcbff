"""The locks of the Debian packages have wheels for every processor."""

import re

import pytest

from scripts.packages.releases import ARCHITECTURES, RELEASES, Release

#: Those with compiled modules.
COMPILED = {
    "capstone",
    "clickhouse-driver",
    "charset-normalizer",
    "duckdb",
    "grpcio",
    "markupsafe",
    "numpy",
    "protobuf",
    "pydantic-core",
}


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_a_package_with_compiled_modules_has_a_wheel_for_each_processor_and_all_others_have_one(
    release: Release,
) -> None:
    lines = release.lock.read_text().splitlines()[1:]
    digests = {line.partition("==")[0]: len(re.findall(r" --hash=sha256:[0-9a-f]{64}\b", line)) for line in lines}
    assert len(digests) == len(lines)
    assert digests.keys() >= COMPILED
    for name, found in digests.items():
        assert found == (len(ARCHITECTURES) if name in COMPILED else 1), name
