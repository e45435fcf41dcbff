"""Where a P takes its next goroutine ids in each supported version of Go, and what a probe counts there."""

import os
from pathlib import Path

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_common.values.levels import PROBES, Level

from tests.go_programs import GoProgram, build
from tests.kept_probes import load_kept

#: By version what holds the new g, a register or a word on the stack; "" where the kernel would have to step.
HOLDERS = {
    "1.19.8": "",
    "1.21.13": "rax",
    "1.22.10": ("rsp", 0x38),
    "1.23.9": ("rsp", 0x40),
    "1.24.11": "rsi",
    "1.25.5": "rsi",
    "1.26.6": "rdi",
    "1.27.3": "rax",
}
PROVED = [version for version, holder in HOLDERS.items() if holder]
GOROUTINES = 16_000


def load(path: Path) -> GoBinary:
    with path.open("rb") as file:
        return binary.load(file.fileno(), str(path))


@pytest.mark.parametrize("version", HOLDERS)
def test_the_place_is_proved_where_a_probe_is_cheap_with_what_holds_the_new_goroutine(version: str) -> None:
    refill = load(build("churn", version)).refill
    assert (refill.holder if refill else "") == HOLDERS[version]


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", PROVED)
def test_one_of_16_creations_is_counted_at_its_go_statement_and_the_targets_own_sum_comes_out(version: str) -> None:
    executable = build("churn", version)
    known, source, number = load(executable), EbpfSource(load_kept()), 1
    fd = os.open(executable, os.O_RDONLY)
    try:
        with GoProgram(executable, env={"GOMAXPROCS": "1", "GOGC": "off"}) as program:
            source.attach(number, known, fd, program.pid)
            source.set_probes(number, PROBES[Level.SAMPLED])
            while not source.sample_creations(number):
                pass
            answer = program.ask(f"run {GOROUTINES}")
            samples = [found for image, found in source.maps.samples(number).items() if image.tgid == program.pid]
            assert answer["sum"] == answer["expected"]
            source.set_probes(number, PROBES[Level.SAMPLED])
            while source.is_closing(number):
                pass
            before = source.maps.samples(number)
            assert program.ask(f"run {GOROUTINES}")["sum"] > 0
            assert source.maps.samples(number) == before
        (found,) = samples
        spawned = max(found, key=lambda pc: found[pc])
        assert found[spawned][0] == pytest.approx(GOROUTINES / 16, abs=2)
        assert found[spawned][1] == 0
        assert sum(hits.sampled for hits in source.hits().values()) == sum(every for every, _ in found.values())
        source.forget(list(source.maps.samples(number)))
        assert source.maps.samples(number) == {}
    finally:
        source.close()
        os.close(fd)
