"""Whatever stands in a ring is parsed within its bounds: whole samples are found, and nothing else is taken for one."""

import struct

import numpy as np
from gosonde_agent.sources.perf.samples import HEADER, SAMPLE, dtype, parse
from hypothesis import given
from hypothesis import strategies as st

TWO = dtype(2)
LOST, FORK = 2, 7


def sample(ip: int, time: int, *registers: int) -> bytes:
    body = struct.pack("<QIIQQ2Q", ip, 10, 11, time, 2, *registers)
    return HEADER.pack(SAMPLE, 2, HEADER.size + len(body)) + body


def other(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, 0, HEADER.size + len(body)) + body


def test_a_sample_has_its_instruction_its_time_and_its_registers() -> None:
    found = parse(sample(0x401000, 7, 1, 2) + sample(0x402000, 8, 3, 4), TWO)
    assert found["ip"].tolist() == [0x401000, 0x402000]
    assert found["pid"].tolist() == [10, 10]
    assert found["time"].tolist() == [7, 8]
    assert found["registers"].tolist() == [[1, 2], [3, 4]]


def test_samples_between_records_of_other_kinds_are_found() -> None:
    lost = other(LOST, struct.pack("<QQ", 5, 40))
    found = parse(other(FORK, bytes(24)) + sample(1, 2, 3, 4) + lost + sample(5, 6, 7, 8) + lost, TWO)
    assert found["time"].tolist() == [2, 6]


def test_a_sample_without_registers_is_left_out() -> None:
    assert len(parse(other(SAMPLE, bytes(32)) + sample(1, 2, 3, 4), TWO)) == 1


def test_a_length_that_makes_no_sense_ends_the_piece() -> None:
    for size in (0, 7, 1_000, 65_535):
        found = parse(sample(1, 2, 3, 4) + HEADER.pack(SAMPLE, 0, size) + bytes(20), TWO)
        assert len(found) == 1


@given(st.binary(max_size=500))
def test_any_bytes_have_no_more_samples_than_fit_into_them(data: bytes) -> None:
    found = parse(data, TWO)
    assert len(found) <= len(data) // TWO.itemsize
    assert (np.asarray(found["kind"]) == SAMPLE).all()
