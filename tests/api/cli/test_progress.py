from __future__ import annotations

import contextlib
import io
import sys

import pytest

from api.cli.progress import waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_shows_a_bar_that_goes_away_and_lines_stay():
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal):
        with waiting():
            sys.stderr.write("a line\n")
        assert sys.stderr is terminal
    shown = terminal.getvalue()
    assert "━" in shown
    assert "a line\n" in shown
    assert "\x1b[2K" in shown.rsplit("━", 1)[1]  # the bar's line is wiped at the end


def test_an_error_passes_and_leaves_no_bar():
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal):
        with pytest.raises(ValueError, match="reason"), waiting():
            raise ValueError("the reason")
        assert sys.stderr is terminal


def test_elsewhere_nothing_is_shown(capsys):
    with waiting():
        pass
    assert capsys.readouterr() == ("", "")
