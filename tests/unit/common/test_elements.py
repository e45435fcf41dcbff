import pytest
from gosonde_common.elements import check_elements
from gosonde_common.errors import InvalidInputError
from gosonde_pb.v1 import ingest_pb2, model_pb2

REQUEST = ingest_pb2.StreamObservationsRequest.DESCRIPTOR


def batch(processes: int, steps: int) -> bytes:
    described = model_pb2.Process(exe="/x", steps=[model_pb2.Step(target_ppm=1)] * steps)
    observation = model_pb2.Observation(processes=[described] * processes, losses={"a": 1, "b": 2})
    return ingest_pb2.StreamObservationsRequest(batch=ingest_pb2.Batch(observation=observation)).SerializeToString()


def test_every_repeated_message_counts_however_deep() -> None:
    data = batch(processes=10, steps=3)
    check_elements(data, REQUEST, 1 + 1 + 10 + 30 + 2)
    with pytest.raises(InvalidInputError, match="elements"):
        check_elements(data, REQUEST, 1 + 1 + 10 + 30 + 1)


def test_what_is_cut_off_is_no_message() -> None:
    data = batch(processes=1, steps=1)
    with pytest.raises(InvalidInputError, match="cut off"):
        check_elements(data[:-1], REQUEST, 100)


@pytest.mark.parametrize("data", [b"\x80" * 20, b"\x0b", b"\x0c", b"\x09\x01", b"\x0a\x05ab"])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        check_elements(data, REQUEST, 100)


def test_the_scan_itself_is_bounded() -> None:
    with pytest.raises(InvalidInputError, match="fields"):
        check_elements(b"\x78\x00" * 600_000, REQUEST, 100)
