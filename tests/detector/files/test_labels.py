import pytest

from dfd.detector.files.labels import spoof_column
from dfd.errors import UserError


@pytest.mark.parametrize(
    ("first", "second", "column"),
    [
        ("bonafide", "spoof", 1),
        ("Bona-Fide", "SPOOF", 1),
        ("real", "fake", 1),
        ("AI-generated", "human", 0),
        ("deepfake", "genuine", 0),
        ("AIVoice", "HumanVoice", 0),
        ("real speech", "synthetic speech", 1),
    ],
)
def test_known_words(first: str, second: str, column: int) -> None:
    label = (first, second)[column]
    found = spoof_column({"0": first, "1": second}, "config.json")
    assert found == (column, f"{column} ({label})")


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
    with pytest.raises(UserError, match=r"config\.json: .* --spoof-label, or label the"):
        spoof_column(labels, "config.json")


@pytest.mark.parametrize(
    ("labels", "wanted", "found"),
    [
        (("LABEL_0", "LABEL_1"), "label_0", (0, "0 (LABEL_0)")),
        (("LABEL_0", "LABEL_1"), "1", (1, "1 (LABEL_1)")),
        (("real", "fake"), "real", (0, "0 (real)")),
        (("1", "0"), "0", (1, "1 (0)")),
    ],
)
def test_the_spoof_label_can_be_named(
    labels: tuple[str, str], wanted: str, found: tuple[int, str]
) -> None:
    assert spoof_column(dict(zip("01", labels, strict=True)), "c", wanted) == found


def test_without_labels_a_number_is_accepted() -> None:
    assert spoof_column({}, "best.pt", "0") == (0, "0")


@pytest.mark.parametrize(
    ("labels", "wanted", "message"),
    [
        ({"0": "a", "1": "b"}, "fake", "none of its outputs is 'fake'"),
        ({"0": "a", "1": "b"}, "2", "none of its outputs is '2'"),
        ({"0": "a", "1": "A"}, "a", "name the spoof output"),
        ({}, "fake", "best.pt; none of its outputs"),
        ({"0": "a", "1": "b", "2": "c"}, "a", "must have exactly two outputs, 0 and 1"),
    ],
)
def test_a_missing_label(labels: dict[str, str], wanted: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        spoof_column(labels, "best.pt", wanted)
