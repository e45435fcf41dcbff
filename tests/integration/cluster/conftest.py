"""One cluster and one release for all tests of the folder, which go on from each other in the order of their files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.booted_system import eventually
from tests.cluster import images
from tests.cluster.cluster import Cluster, missing
from tests.cluster.release import Release, shop

FOUND_SECONDS = 900.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if lacking := missing():
        pytest.skip(lacking)
    archives = images.built(tmp_path_factory.mktemp("images"))
    # A path of its own: that of pytest's folders is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="gosonde-k.") as folder, Cluster(Path(folder), archives) as running:
        yield running


@pytest.fixture(scope="session")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Installed and ready, while a pod leaks."""
    cluster.apply(*shop())
    made = Release(cluster, tmp_path_factory.mktemp("release"))
    made.install()
    made.await_pods()
    return made


@pytest.fixture(scope="session")
def finding(release: Release) -> dict[str, Any]:
    """The first that there is."""
    eventually(lambda: release.asked("findings"), "a leak is found", FOUND_SECONDS)
    return release.asked("findings")[0]
