"""What ruff's SLF001 and PLC2701 do not see of the reach into private names: those that are given as text."""

import re

from tests.paths import ROOT

BY_NAME = re.compile(r"""(?:setattr|delattr|getattr|patch)\([^)]*["'](?:[\w.]+\.)?_[a-z]\w*["']""")


def test_no_test_benchmark_or_script_names_a_private_name_as_text() -> None:
    files = [path for folder in ("tests", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in files if BY_NAME.search(path.read_text())] == []


def test_such_a_name_would_be_seen() -> None:
    assert BY_NAME.search("set" + 'attr(facts, "_read", None)')
    assert BY_NAME.search("set" + "attr('gosonde_agent.watch._key', None)")


def test_no_module_of_ours_has_a_private_name() -> None:
    rooms = ("agent/gosonde_agent", "collector/gosonde_collector", "common", "client/gosonde", "cli/gosonde_cli")
    found = [path.name for room in rooms for path in (ROOT / room).rglob("_[a-z]*.py")]
    assert found == []
