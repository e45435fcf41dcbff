"""The best source that the host allows is chosen, and it is said why each better one is not."""

import pytest
from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.kinds import EBPF, MEMORY
from gosonde_agent.sources.memory.source import MemorySource
from gosonde_agent.sources.protocol import Source
from gosonde_agent.sources.select import Candidate, choose
from gosonde_common.errors import UsageError


def refused() -> Source:
    raise NotPermittedError("CAP_BPF is missing")


def test_the_first_source_that_the_host_allows_is_chosen_and_it_says_why_those_before_are_not() -> None:
    chosen = choose([Candidate(EBPF, refused), Candidate(MEMORY, MemorySource)])
    assert chosen.kind is MEMORY
    assert chosen.refused == {"ebpf": "CAP_BPF is missing"}
    assert chosen.why == "not ebpf: CAP_BPF is missing"


def test_a_source_that_is_asked_for_is_taken_also_where_a_better_one_is_possible() -> None:
    chosen = choose([Candidate(EBPF, MemorySource), Candidate(MEMORY, MemorySource)], "memory")
    assert chosen.kind is MEMORY
    assert not chosen.refused


def test_a_source_that_is_asked_for_and_refused_is_not_replaced_by_another() -> None:
    with pytest.raises(NotPermittedError, match="CAP_BPF"):
        choose([Candidate(EBPF, refused), Candidate(MEMORY, MemorySource)], "ebpf")


def test_where_nothing_is_allowed_every_reason_is_told() -> None:
    with pytest.raises(NotPermittedError, match=r"ebpf: CAP_BPF is missing"):
        choose([Candidate(EBPF, refused)])


def test_a_source_of_no_known_name_is_answered_with_the_names_that_there_are() -> None:
    with pytest.raises(UsageError, match="'telepathy': --source takes ebpf, memory"):
        choose([Candidate(EBPF, refused), Candidate(MEMORY, MemorySource)], "telepathy")
