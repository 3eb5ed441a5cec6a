import pytest

pytest.importorskip("nicegui", reason="pip install 'dfd[console]'")
from dfd.console.model import tables

CARD = """
# A model
## Telephone
| condition | EER % | missed % |
|---|---|---|
| clean | 19.4 | 59.6 |
| ulaw | 24.0 | 77.7 |

## By source
| source | human |
|---|---|
| a | 60 |

| only | EER % |
|---|---|
| one | 1.0 |

| seconds | EER % of the cumulative score |
|:--|--:|
| 1 | 21 |
| 2 | |
| 4 | 19.5 |
"""


def test_columns_of_equal_error_rates_become_charts() -> None:
    first, second = tables(CARD)
    assert (first.title, first.by, first.unit) == ("Telephone: by condition", "condition", "EER %")
    assert first.rows == [("clean", 19.4), ("ulaw", 24.0)]
    assert second.unit == "EER % of the cumulative score"
    assert second.rows == [("1", 21.0), ("4", 19.5)]


def test_a_card_without_tables() -> None:
    assert tables("") == tables("# A model\n| no | rule |\n") == []
