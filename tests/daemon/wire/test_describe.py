from dfd.clients import server_info as client
from dfd.daemon.options import ServeOptions
from dfd.daemon.wire import describe
from dfd.detector.spec import Calibration, ErrorRates
from dfd.messages import from_message
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import make_spec


def test_a_model_is_described_completely() -> None:
    spec = make_spec(
        calibration=Calibration(0.6, -0.15),
        evidence_correlation=0.3,
        error_rates=ErrorRates(0.91, 0.0084, 0.686, 4.0),
    )
    told = from_message(
        client.ModelInfo, pb.ModelInfo.FromString(describe.model_message(spec).SerializeToString())
    )
    assert told.calibration == client.Calibration(0.6, -0.15, 0.3)
    assert told.error_rates == client.ErrorRates(0.91, 0.0084, 0.686, 4.0)
    assert (told.name, told.weights_sha256) == (spec.name, spec.weights_sha256)


def test_limits_come_from_the_servers_options() -> None:
    options = ServeOptions(idle_timeout_seconds=0.0, max_stream_seconds=2.5)
    limits = from_message(client.Limits, describe.limits_message(options))
    assert limits.idle_timeout_seconds is None
    assert limits.max_stream_seconds == 2.5
    assert limits.max_channel_count == 8


def test_fields_that_an_older_server_lacks_stay_unset() -> None:
    told = from_message(client.ModelInfo, pb.ModelInfo(name="old"))
    assert (told.calibration, told.error_rates) == (None, None)
