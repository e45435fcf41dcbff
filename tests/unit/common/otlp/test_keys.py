from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_common.errors import UsageError
from gosonde_common.otlp.headers import MAX_BYTES, read_headers
from gosonde_common.otlp.keys import HTTP, OtlpKeys


def test_no_receiver_is_asked_for_nothing() -> None:
    OtlpKeys().check_otlp(insecure=False)


@pytest.mark.parametrize(
    "keys",
    [
        OtlpKeys(otlp="http://127.0.0.1:4317"),
        OtlpKeys(otlp="http://localhost:4317/"),
        OtlpKeys(otlp="http://[::1]:4317"),
        OtlpKeys(otlp="https://otel.example.org:4317", otlp_ca="/ca.pem", otlp_cert="/c.pem", otlp_key="/k.pem"),
        OtlpKeys(otlp="https://otel.example.org:443/tenant/a", otlp_protocol=HTTP),
        OtlpKeys(otlp_attributes=("deployment.environment.name=a=b",), otlp_service_name=("executable",)),
    ],
)
def test_a_configuration_that_makes_sense_is_accepted(keys: OtlpKeys) -> None:
    keys.check_otlp(insecure=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"otlp": "otel.example.org:4317"}, "otlp: 'otel.example.org:4317' is not http://HOST:PORT"),
        ({"otlp": "http://127.0.0.1"}, "otlp: 'http://127.0.0.1' is not"),
        ({"otlp": "http://127.0.0.1:0"}, "otlp: "),
        ({"otlp": "http://[::1:4317"}, "otlp: "),
        ({"otlp": "grpc://127.0.0.1:4317"}, "otlp: "),
        ({"otlp": "https://me:secret@otel.example.org:4317"}, "otlp: "),
        ({"otlp": "https://otel.example.org:4317/?token=x", "otlp_protocol": HTTP}, "secrets belong into the file"),
        ({"otlp": "https://otel.example.org:4317/v1/metrics"}, "gRPC has no path '/v1/metrics'"),
        ({"otlp": "http://otel.example.org:4317"}, "neither encrypted nor authenticated; write https://"),
        ({"otlp": "http://127.0.0.1:4317", "otlp_ca": "/ca.pem"}, "need https://"),
        ({"otlp_cert": "/c.pem"}, "otlp_cert: needs otlp_key"),
        ({"otlp_protocol": "http/json"}, "otlp_protocol: 'http/json' is not one of grpc, http/protobuf"),
        ({"otlp_compression": "zstd"}, "otlp_compression: 'zstd'"),
        ({"otlp_interval_seconds": 0.5}, "otlp_interval_seconds: 0.5 is not between 1 and 3600"),
        ({"otlp_interval_seconds": float("nan")}, "otlp_interval_seconds: nan"),
        ({"otlp_service_name": ()}, "otlp_service_name: is empty"),
        ({"otlp_service_name": ("pod",)}, "otlp_service_name: 'pod' is not one of"),
        ({"otlp_attributes": ("novalue",)}, "otlp_attributes: 'novalue' is not KEY=VALUE"),
        ({"otlp_attributes": ("a=b\x1b",)}, "otlp_attributes: "),
        ({"otlp_attributes": ("host.name=x",)}, "otlp_attributes: host.name follows from the process"),
        ({"otlp_attributes": ("a=b",) * 33}, "otlp_attributes: 33 are more than 32"),
    ],
)
def test_a_wrong_key_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        replace(OtlpKeys(), **changes).check_otlp(insecure=False)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_plain_text_to_another_machine_is_allowed_where_everything_is() -> None:
    OtlpKeys(otlp="http://otel.example.org:4317").check_otlp(insecure=True)


def test_headers_have_names_in_lower_case_and_comments_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("# who we are\n\nAuthorization: Bearer a:b \nX-Scope-OrgID:7\n")
    assert read_headers(file) == (("authorization", "Bearer a:b"), ("x-scope-orgid", "7"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"authorization Bearer s3cret", "line 1 of"),
        (b"a: b\nauthorization: s3cret\xff", "line 2 of"),
        (b"authorization: s3cret\x00", "line 1 of"),
        (b"authorization:", "line 1 of"),
        (b"Content-Type: s3cret", "names content-type, which belongs to the protocol"),
        (b"grpc-timeout: s3cret", "names grpc-timeout"),
        (b"token-bin: s3cret", "names token-bin"),
        (b"a: s3cret\n" * 65, "has 65 headers; 64 are allowed"),
        (b"#" * (MAX_BYTES + 1), f"is larger than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_is_no_list_of_headers_is_refused_without_a_secret_in_the_message(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "headers"
    file.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_headers(file)
    assert message in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_file_of_headers_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"otlp_headers: cannot read .*none: No such file"):
        read_headers(tmp_path / "none")
