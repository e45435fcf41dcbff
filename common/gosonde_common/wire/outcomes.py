"""What a search of a process's memory found, as a message and back."""

from dataclasses import asdict, fields

from gosonde_pb.v1 import model_pb2

from gosonde_common.values.reachability import SearchOutcome

FIELDS = tuple(field.name for field in fields(SearchOutcome))


def encode(outcome: SearchOutcome) -> model_pb2.SearchOutcome:
    """The message."""
    return model_pb2.SearchOutcome(**asdict(outcome))


def decode(message: model_pb2.SearchOutcome) -> SearchOutcome:
    """The outcome in a message, as it stands there."""
    return SearchOutcome(**{name: getattr(message, name) for name in FIELDS})
