from pathlib import Path
from typing import Any

import pytest

from dfd.daemon.effective import changed_fields, effective_fields
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError


def test_the_defaults_are_valid() -> None:
    options = ServeOptions()
    assert options.host == "127.0.0.1"
    assert options.serves_metrics
    assert options.batch_buckets is None
    assert not ServeOptions(metrics_port=-1).serves_metrics


@pytest.mark.parametrize(
    ("size", "buckets"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (32, (1, 2, 4, 8, 16, 32))]
)
def test_buckets_are_powers_of_two_and_the_largest(size: int, buckets: tuple[int, ...]) -> None:
    assert ServeOptions(max_batch_size=size).batch_buckets == buckets


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 65536}, "port is 65536"),
        ({"port": -1}, "port is -1"),
        ({"metrics_port": -2}, "metrics port is -2"),
        ({"host": ""}, "host is empty"),
        ({"max_streams": 0}, "max streams is 0"),
        ({"max_chunk_bytes": 0}, "max chunk bytes is 0"),
        ({"max_recording_bytes": 1 << 40}, "max recording bytes is above 1 GiB"),
        ({"max_channel_count": 9}, "max channel count is 9"),
        ({"idle_timeout_seconds": -1.0}, "idle timeout seconds is -1"),
        ({"max_connections": 0}, "max connections is 0"),
        ({"max_stream_seconds": float("nan")}, "max stream seconds is nan"),
        ({"deadline_seconds": float("inf")}, "deadline seconds is inf"),
        ({"grace_seconds": -1.0}, "grace seconds is -1"),
        ({"tls_cert": Path("a")}, "TLS needs both"),
        ({"tls_client_ca": Path("a")}, "--tls-client-ca needs TLS"),
        ({"log_level": "loud"}, "log level is loud"),
        ({"log_format": "xml"}, "log format is xml"),
    ],
)
def test_impossible_options_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ServeOptions(**values)
    assert "\n" not in str(caught.value)


def test_the_effective_configuration_states_its_sources() -> None:
    options = ServeOptions(port=0, token_file=Path("/etc/dfd/tokens.toml"))
    shown = effective_fields(options, {"port": "flag", "token_file": "file"})
    assert shown["port"] == "0 (flag)"
    assert shown["token_file"] == "/etc/dfd/tokens.toml (file)"
    assert shown["host"] == "127.0.0.1 (default)"
    assert shown["idle_timeout_seconds"] == "3900.0 (default)"
    assert shown["threads"] == "none (default)"


def test_the_first_log_line_has_only_what_differs() -> None:
    options = ServeOptions(port=0, host="127.0.0.1", log_format="json")
    origins = {"port": "flag", "host": "file", "log_format": "environment"}
    assert changed_fields(options, origins) == {
        "port": "0 (flag)",
        "log_format": "json (environment)",
    }
    assert changed_fields(ServeOptions(), {}) == {"options": "all default"}
