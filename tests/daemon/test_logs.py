import json
import logging

import pytest

from dfd.daemon.logs import configure, log
from dfd.loglines import JsonFormatter, TextFormatter


def record(event: str, exc_info: bool = False, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("dfd", logging.INFO, "", 0, event, None, None)
    made.fields = fields
    if exc_info:
        try:
            raise KeyError("why")
        except KeyError as error:
            made.exc_info = (KeyError, error, error.__traceback__)
    return made


def test_text_is_one_line_whatever_a_caller_sends() -> None:
    line = TextFormatter().format(
        record(
            "stream started",
            stream_id="a b\n\x1b[31m",
            labels={"x": 'y"\n'},
            n=3,
            p=0.123456789,
            none=None,
        )
    )
    assert "\n" not in line
    assert "\x1b" not in line
    assert "none" not in line
    assert r'stream_id="a b\n\u001b[31m"' in line
    assert "n=3 p=0.123457" in line
    assert line[23] == "Z"


def test_json_is_one_object_per_line() -> None:
    line = JsonFormatter().format(record("x", exc_info=True, stream_id="é\n", port=3))
    assert "\n" not in line
    read = json.loads(line)
    assert (read["event"], read["level"], read["stream_id"], read["port"]) == (
        "x",
        "info",
        "é\n",
        3,
    )
    assert "KeyError: 'why'" in read["traceback"]


def test_a_traceback_follows() -> None:
    assert "\nTraceback" in TextFormatter().format(record("x", exc_info=True))


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str], form: str) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure("info", form)
        log(logging.INFO, "hello", name="x")
        log(logging.DEBUG, "hidden")
        logging.getLogger("other").warning("from elsewhere")
    finally:
        root.handlers[0].close()
        root.handlers[:], root.level = handlers, level
    out, err = capsys.readouterr()
    assert out == ""
    assert "hello" in err
    assert "hidden" not in err
    assert len(err.splitlines()) == 2
