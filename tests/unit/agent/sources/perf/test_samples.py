"""Whatever stands in a ring is parsed within its bounds: whole samples are found, and nothing else is taken for one."""

import struct

import numpy as np
from gosonde_agent.sources.perf.samples import HEADER, LOST, SAMPLE, dtype, parse
from hypothesis import given
from hypothesis import strategies as st

TWO = dtype(2)
FORK = 7


def sample(ip: int, time: int, *registers: int) -> bytes:
    body = struct.pack("<QIIQQ2Q", ip, 10, 11, time, 2, *registers)
    return HEADER.pack(SAMPLE, 2, HEADER.size + len(body)) + body


def other(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, 0, HEADER.size + len(body)) + body


def test_a_sample_has_its_instruction_its_time_and_its_registers() -> None:
    found = parse(sample(0x401000, 7, 1, 2) + sample(0x402000, 8, 3, 4), TWO)
    assert found.rows["ip"].tolist() == [0x401000, 0x402000]
    assert found.rows["pid"].tolist() == [10, 10]
    assert found.rows["time"].tolist() == [7, 8]
    assert found.rows["registers"].tolist() == [[1, 2], [3, 4]]


def test_samples_between_records_of_other_kinds_are_found_and_what_the_kernel_lost_is_summed() -> None:
    lost = other(LOST, struct.pack("<QQ", 5, 40))
    found = parse(other(FORK, bytes(24)) + sample(1, 2, 3, 4) + lost + sample(5, 6, 7, 8) + lost, TWO)
    assert found.rows["time"].tolist() == [2, 6]
    assert (found.lost, found.damaged) == (80, False)


def test_a_sample_without_registers_is_left_out() -> None:
    assert len(parse(other(SAMPLE, bytes(32)) + sample(1, 2, 3, 4), TWO).rows) == 1


def test_a_length_that_makes_no_sense_ends_the_piece_and_is_told() -> None:
    for size in (0, 7, 1_000, 65_535):
        found = parse(sample(1, 2, 3, 4) + HEADER.pack(SAMPLE, 0, size) + bytes(20), TWO)
        assert (len(found.rows), found.damaged) == (1, True)


@given(st.binary(max_size=500))
def test_any_bytes_are_parsed_or_told_to_be_damaged(data: bytes) -> None:
    found = parse(data, TWO)
    assert len(found.rows) <= len(data) // TWO.itemsize
    assert (np.asarray(found.rows["kind"]) == SAMPLE).all()
