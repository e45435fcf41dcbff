"""Goroutines that the code of a plugin makes are never counted as none."""

import pytest
from gosonde_agent.sources.counters import UNATTRIBUTED

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import watching

pytestmark = pytest.mark.usefixtures("ebpf")


def test_the_goroutines_of_a_plugin_are_reported_without_a_name_and_said_to_be_incomplete() -> None:
    env = {"CGO_ENABLED": "1"}
    plugin = go_programs.build("pluggable", buildmode="plugin", env=env)
    with GoProgram(go_programs.build("plugged", env=env), str(plugin)) as program, watching(pid=program.pid) as watch:
        watch.monitor.readings.read_due()
        watch.observe()
        (nameless,) = [row for row in watch.sites.values() if row.site.pc == UNATTRIBUTED]
        (own,) = [row for row in watch.sites.values() if row.site.line == site_line("plugged", "own")]
        assert (nameless.live, own.live) == (25, 7)
        assert watch.losses["sites_outside"] == 1
        watch.observe()
        assert not watch.process(program.pid).precise
