from dataclasses import replace

import pytest
from gosonde_agent.stream import batches
from gosonde_agent.wire import encoding
from gosonde_agent.wire.encodable import encodable
from gosonde_agent.wire.texts import MAX_TEXT
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.audit import Act, Actor, AuditEvent
from gosonde_common.values.levels import Level, Reason, Step
from gosonde_common.values.observation import (
    MAX_HOLDERS,
    GcCycle,
    GcTotal,
    Heap,
    Observation,
    ParkCount,
    Pause,
    ProbeCost,
    Process,
    ProcessKey,
    ProofCount,
    Search,
    Site,
    SiteCount,
    SiteEstimate,
)
from gosonde_common.values.reachability import Holder
from gosonde_common.values.status import AgentStatus, UplinkStatus
from gosonde_common.wire import observations
from gosonde_pb.v1 import agent_pb2, model_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.observations import act, count, estimate, observed, park, pause, process, site, total

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
TIME = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.builds(ProcessKey, TEXT, U32, U64, U32)
PARKS = st.builds(ParkCount, KEYS, TEXT, U64, U64, U64, st.none() | st.integers(1, 2**64 - 1), U64, U64, U64)
STEPS = st.lists(st.builds(Step, TIME, st.sampled_from(Level), st.sampled_from(Reason), U64), max_size=3).map(tuple)
#: A refused process has no level.
PROCESS = st.builds(
    Process, KEYS, TEXT, TEXT, TEXT, TIME, TIME, st.booleans(), TIME, TEXT, st.sampled_from(Level), st.booleans(), STEPS
).map(lambda made: replace(made, level=Level.FULL) if made.refusal else made)
HEAPS = st.none() | st.builds(Heap, U64, U64, U64, st.integers(1, 2**64 - 1))
PROCESSES = st.lists(
    PROCESS,
    max_size=4,
    unique_by=lambda entry: entry.key,
)


ACTS = st.builds(
    AuditEvent, U64, TIME, st.sampled_from(Act), st.sampled_from(Actor), TEXT, st.integers(0, 2**32 - 1), TEXT, TEXT
)


@st.composite
def drawn_observations(draw: st.DrawFn) -> Observation:
    processes = draw(PROCESSES)
    if not processes:
        return Observation(draw(TIME), losses=draw(st.dictionaries(TEXT, U64)))
    # One name for one go statement, whatever process it is in.
    names = st.builds(lambda pc: Site("", pc, f"f{pc}", f"é{pc}.go", pc % 2**32, f"s{pc}"), U64)
    chosen = st.sampled_from(processes)
    keys = chosen.map(lambda entry: entry.key)
    counts = st.builds(
        lambda of, name, created, exited: SiteCount(of.key, replace(name, build_id=of.build_id), created, exited),
        chosen, names, U64, U64,
    )  # fmt: skip
    site_counts = draw(st.lists(counts, max_size=8))
    estimates = [
        SiteEstimate(row.process, row.site, *draw(st.tuples(*[U64] * 8)))
        for row in {(row.process, row.site): row for row in site_counts}.values()
    ]
    return Observation(
        draw(TIME),
        tuple(processes),
        tuple(site_counts),
        tuple(draw(st.lists(PARKS.flatmap(lambda row: keys.map(lambda key: replace(row, process=key))), max_size=4))),
        tuple(draw(st.lists(st.builds(Pause, keys, U64, TIME, U64, TEXT), max_size=4))),
        tuple(draw(st.lists(st.builds(GcCycle, keys, U64, TIME, TIME, HEAPS), max_size=4))),
        tuple(draw(st.lists(st.builds(GcTotal, keys, U64, U64, U64), max_size=4))),
        draw(st.dictionaries(TEXT, U64, max_size=3)),
        tuple(draw(st.lists(st.builds(ProbeCost, keys, U64, U64, U64, U64), max_size=4))),
        proofs=tuple(draw(st.lists(proofs_of(keys), max_size=4, unique_by=lambda row: (row.process, row.pc)))),
        searches=tuple(draw(st.lists(st.builds(Search, keys, TIME, U64, TEXT), max_size=4))),
        estimates=tuple(estimates),
        audit=tuple(draw(st.lists(ACTS, max_size=4))),
    )


def proofs_of(keys: st.SearchStrategy[ProcessKey]) -> st.SearchStrategy[ProofCount]:
    """What searches found of sites of processes."""
    holders = st.lists(st.builds(Holder, st.lists(TEXT, max_size=4).map(tuple), U64), max_size=MAX_HOLDERS).map(tuple)
    return st.builds(ProofCount, keys, U64, TIME, U64, U64, U64, U64, U64, U64, U64, holders)


@given(drawn_observations())
def test_an_observation_survives_the_wire(observation: Observation) -> None:
    data = encoding.encode(observation).SerializeToString()
    assert observations.decode(model_pb2.Observation.FromString(data)) == observation


@given(drawn_observations(), st.integers(1, 400))
def test_parts_of_an_observation_hold_each_row_once_and_each_name_once(observation: Observation, size: int) -> None:
    messages = list(batches.messages(observation, set(), size))
    names = [
        pair for message in messages for pair in zip(message.site_names.build_id, message.site_names.pc, strict=True)
    ]
    assert len(names) == len(set(names))
    parts = [observations.decode(message) for message in messages]
    assert {entry.key for part in parts for entry in part.processes} == {entry.key for entry in observation.processes}
    for table in ("park_counts", "pauses", "gc_cycles", "gc_totals", "probe_costs", "proofs", "searches", "audit"):
        assert sorted((row for part in parts for row in getattr(part, table)), key=repr) == sorted(
            getattr(observation, table), key=repr
        )
    estimates = [(row.process, row.site.pc, *row[2:]) for part in parts for row in part.estimates]
    wanted = [(row.process, row.site.pc, *row[2:]) for row in observation.estimates]
    assert sorted(estimates, key=repr) == sorted(wanted, key=repr)
    counts = [(row.process, row.site.pc, row.created, row.exited) for part in parts for row in part.site_counts]
    expected = [(row.process, row.site.pc, row.created, row.exited) for row in observation.site_counts]
    assert sorted(counts, key=repr) == sorted(expected, key=repr)


def test_every_part_of_a_large_observation_is_small_enough() -> None:
    one, two = process(1), process(2)
    rows = tuple(count(of, pc, pc) for of in (one, two) for pc in range(5000))
    messages = list(batches.messages(observed(one, two, site_counts=rows), set(), 100_000))
    assert len(messages) > 2
    assert max(message.ByteSize() for message in messages) <= 100_000


def test_names_that_the_peer_knows_are_left_out() -> None:
    one = process()
    observation = observed(one, site_counts=(count(one, 1, 5), count(one, 2, 6)))
    message = encoding.encode(observation, {site(one, 1)})
    assert list(message.site_names.pc) == [2]
    assert list(message.site_counters.pc) == [1, 2]
    assert observations.decode(message).site_counts[0].site == Site(one.build_id, 1, "", "", 0)


def test_a_name_that_became_better_is_sent_again() -> None:
    one = process()
    better = SiteCount(one.key, replace(site(one, 1), start_function="main.better"), 5, 0)
    message = encoding.encode(observed(one, site_counts=(better,)), {site(one, 1)})
    assert list(message.site_names.start_function) == ["main.better"]


def test_texts_that_are_no_utf8_or_endless_become_ones_that_can_be_sent() -> None:
    strange = replace(process(), exe="/bin/\udcff\ud800é", go_version="\udcff" * 16_000)
    decoded = observations.decode(encoding.encode(observed(strange))).processes[0]
    assert decoded.exe.startswith("/bin/�")
    assert decoded.exe.endswith("é")
    assert len(decoded.go_version) == MAX_TEXT
    assert decoded.go_version.endswith("…")


def test_a_line_number_out_of_range_is_bounded() -> None:
    one = process()
    rows = tuple(SiteCount(one.key, replace(site(one, pc), line=line), 1, 0) for pc, line in ((1, -5), (2, 2**40)))
    assert list(encoding.encode(observed(one, site_counts=rows)).site_names.line) == [0, 2**32 - 1]


def test_a_row_of_a_process_that_is_not_there_is_refused_on_both_sides() -> None:
    one, other = process(1), process(2)
    with pytest.raises(ValueError, match="process 2, which the observation does not hold"):
        encoding.encode(observed(one, pauses=(pause(other, 0),)))
    message = encoding.encode(observed(one, pauses=(pause(one, 0),)))
    message.pauses.process[0] = 1
    with pytest.raises(InvalidInputError, match="Pauses: process 1 of 1 does not exist"):
        observations.decode(message)


def test_columns_of_different_length_are_refused() -> None:
    one = process()
    message = encoding.encode(observed(one, site_counts=(count(one, 1, 1), count(one, 2, 2))))
    del message.site_counters.exited[1]
    with pytest.raises(InvalidInputError, match=r"SiteCounters: columns of different length.*'exited': 1"):
        observations.decode(message)


def test_an_estimate_names_a_site_as_its_count_does_and_is_checked_like_one() -> None:
    one = process()
    message = encoding.encode(observed(one, site_counts=(count(one, 1, 5),), estimates=(estimate(one, 1, 40),)))
    assert observations.decode(message).estimates == (estimate(one, 1, 40),)
    message.site_estimates.exited_low.append(1)
    with pytest.raises(InvalidInputError, match=r"SiteEstimates: columns of different length.*'exited_low': 2"):
        observations.decode(message)
    del message.site_estimates.exited_low[1]
    message.site_estimates.process[0] = 7
    with pytest.raises(InvalidInputError, match="SiteEstimates: process 7 of 1 does not exist"):
        observations.decode(message)


def test_an_agent_that_estimates_nothing_sends_no_estimates() -> None:
    one = process()
    message = encoding.encode(observed(one, site_counts=(count(one, 1, 5),)))
    assert not message.HasField("site_estimates")
    assert observations.decode(message).estimates == ()


def test_parks_that_an_older_agent_counted_are_no_estimate() -> None:
    message = encoding.encode(observed(process(), park_counts=(park(process(), 3),)))
    for column in ("parks", "parks_low", "parks_high", "windows", "sampled_ns", "covered_ns"):
        message.park_counters.ClearField(column)
    assert observations.decode(message).park_counts == ()


@given(st.binary(max_size=300))
def test_arbitrary_messages_decode_or_are_refused(data: bytes) -> None:
    message = model_pb2.Observation()
    try:
        message.MergeFromString(data)
    except ValueError:
        pass
    except Exception as error:
        assert type(error).__name__ == "DecodeError"  # noqa: PT017
    try:
        observations.decode(message)
    except InvalidInputError as error:
        assert str(error)  # noqa: PT017


def test_a_refused_process_says_so_in_its_level() -> None:
    message = encoding.encode(observed(process(1), replace(process(2), refusal="too old")))
    assert [entry.level for entry in message.processes] == [model_pb2.LEVEL_FULL, model_pb2.LEVEL_REFUSED]


def test_a_status_survives_the_wire() -> None:
    status = AgentStatus("id", "0.1", "host", 5, UplinkStatus("c:1", connected=True, last_sequence=3, error="x"))
    data = encoding.encode_status(status).SerializeToString()
    assert observations.decode_status(agent_pb2.GetStatusResponse.FromString(data)) == status


def test_rows_and_processes_that_fit_no_message_are_left_out_and_all_others_stay() -> None:
    sound, broken = process(1), replace(process(2), started_unix_nano=1 << 70)
    rows = tuple(count(sound, pc, -1 if pc in {3, 700} else pc) for pc in range(1, 1_001))
    seen = observed(
        sound,
        broken,
        site_counts=(*rows, count(broken, 1, 1)),
        pauses=(pause(sound, 0), replace(pause(sound, 1), duration_ns=1 << 70)),
        gc_totals=(total(sound, 3), total(broken, 3)),
        proofs=(ProofCount(sound.key, 7, 1, 1, 1, 1, 0, 0, 0, 0),),
        searches=(Search(sound.key, 5, 1, ""),),
        audit=(act(0), replace(act(1), at_unix_nano=1 << 70)),
    )
    whole = replace(seen, losses={"sites_full": 1, "events_full": -1}, interval_ns=60_000_000_000)
    kept, lost = encodable(whole)
    assert lost == 2 + 1 + 1 + 1 + 1 + 1 + 1
    assert kept.audit == (act(0),)
    assert kept.processes == (sound,)
    assert [row.site.pc for row in kept.site_counts] == [pc for pc in range(1, 1_001) if pc not in {3, 700}]
    assert kept.pauses == (pause(sound, 0),)
    assert kept.gc_totals == (total(sound, 3),)
    assert (kept.proofs, kept.searches, kept.interval_ns) == (whole.proofs, whole.searches, whole.interval_ns)
    assert kept.losses == {"sites_full": 1}
    assert observations.decode(encoding.encode(kept)) == kept


def test_of_an_observation_that_fits_nothing_is_left_out() -> None:
    whole = observed(process(1), site_counts=(count(process(1), 1, 1),), pauses=(pause(process(1), 0),))
    assert encodable(whole) == (whole, 0)
