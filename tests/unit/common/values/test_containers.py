"""What is known of a container is checked, sent and received; what nobody gives to a container is refused."""

from dataclasses import replace

import pytest
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.wire.containers import decode_container, encode_container
from gosonde_pb.v1 import model_pb2

SHOP = Container(
    "a" * 64, "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f", "shop", "checkout-7d9f6c5b4d-x2k9p", "server", "checkout"
)


def test_a_container_is_the_same_after_its_way_over_the_wire() -> None:
    message = encode_container(SHOP)
    assert message
    assert decode_container(model_pb2.Container.FromString(message.SerializeToString())) == SHOP


def test_no_container_takes_no_room_and_is_what_older_agents_send() -> None:
    assert encode_container(NO_CONTAINER) is None
    assert decode_container(model_pb2.Process().container) == NO_CONTAINER
    assert NO_CONTAINER.document is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a" * 63},
        {"id": "A" * 64},
        {"pod_uid": "0b7e3a4c-9f31"},
        {"pod_uid": "0b7e3a4c9f31-4d52-8a77-5a1d2c3b4e5f"},
        {"namespace": "Shop"},
        {"pod": "x" * 254},
        {"pod": "web\x1b[31m"},
        {"name": "../server"},
        {"workload": "web-"},
    ],
)
def test_a_text_that_no_container_has_is_refused_by_name_and_shortened(wrong: dict[str, str]) -> None:
    ((field, text),) = wrong.items()
    assert replace(SHOP, **wrong).fault.startswith(f"{field} is ")
    with pytest.raises(InvalidInputError, match=rf"^container\.{field} is .{{1,90}}$"):
        decode_container(model_pb2.Container(**{field: text}))


def test_a_static_pod_has_a_hash_for_its_uid() -> None:
    assert not replace(SHOP, pod_uid="0b7e3a4c9f314d528a775a1d2c3b4e5f").fault


def test_a_container_is_like_what_has_some_of_its_names_and_no_other() -> None:
    assert SHOP.is_like(NO_CONTAINER)
    assert SHOP.is_like(Container(namespace="shop", workload="checkout"))
    assert not SHOP.is_like(Container(namespace="shop", pod="checkout"))
    assert not NO_CONTAINER.is_like(Container(namespace="shop"))
