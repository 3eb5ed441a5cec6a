import pytest

from dfd.detector.errors import DetectorError
from dfd.detector.labels import spoof_column


@pytest.mark.parametrize(
    ("first", "second", "column"),
    [
        ("bonafide", "spoof", 1),
        ("Bona-Fide", "SPOOF", 1),
        ("real", "fake", 1),
        ("AI-generated", "human", 0),
        ("deepfake", "genuine", 0),
    ],
)
def test_known_words(first: str, second: str, column: int) -> None:
    assert spoof_column({"0": first, "1": second}, "config.json") == column


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"0": "spoof"},
        {"0": "LABEL_0", "1": "LABEL_1"},
        {"0": "LABEL_0", "1": "fake"},
        {"0": "real", "1": "human"},
        {"0": "real", "2": "fake"},
        {"0": "real", "1": "fake", "2": "fake"},
    ],
)
def test_everything_else_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(DetectorError, match=r"config\.json: .* name them in id2label"):
        spoof_column(labels, "config.json")
