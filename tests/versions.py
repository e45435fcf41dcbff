"""The Go versions that tests run over: three in `make test`, all that have a toolchain in `make test-matrix`."""

import os

from tests import toolchains

IS_MATRIX = os.environ.get("GOSONDE_MATRIX", "") == "1"
OLDEST_MIDDLE_NEWEST = (toolchains.ALL_VERSIONS[0], "1.24.11", toolchains.ALL_VERSIONS[-1])
VERSIONS = toolchains.ALL_VERSIONS if IS_MATRIX else OLDEST_MIDDLE_NEWEST
