"""Run the command line; every failure is one line that says what, where and what to do."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

EXIT_INTERRUPTED = 130


def _stop_before_anything_began(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write("gridtwin: stopped\n")
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    # Loading the rest takes a while in which Ctrl-C must be one line too. The launcher holds the signal back
    # until here, so that none is lost while the interpreter starts.
    signal.signal(signal.SIGINT, _stop_before_anything_began)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

import importlib  # noqa: E402
import json  # noqa: E402
import tempfile  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from api.cli import COMMANDS  # noqa: E402
from api.version import version_line  # noqa: E402
from twin.errors import TwinError  # noqa: E402

EXIT_FAILED = 1

# Errors of libraries that mean a thing outside is not as it must be, by module and name: they are named,
# not imported, because importing them would cost every command half a second.
_OUTSIDE = {
    ("sqlalchemy.exc", "OperationalError"): "the database does not answer",
    ("sqlalchemy.exc", "InterfaceError"): "the database does not answer",
    ("psycopg.errors", "DiskFull"): "the disk is full",
    ("psycopg", "OperationalError"): "the database does not answer",
}


def make_app() -> typer.Typer:
    """Assemble the application from the files of this folder."""
    app = typer.Typer(
        name="gridtwin",
        help="GridTwin: the live map of a community, its devices and its people.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_before)
    for module in COMMANDS.values():
        importlib.import_module(module).register(app)
    return app


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(version_line() + "\n")
        raise typer.Exit


def _before(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Tell the version and end.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """GridTwin: the live map of a community, its devices and its people."""


def main() -> int:
    """Run the command that was asked for; gives the exit code."""
    try:
        app = make_app()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="gridtwin")
    except SystemExit as leaving:
        if isinstance(getattr(leaving.__context__, "__cause__", None), KeyboardInterrupt):
            _say("stopped")  # Typer makes an exit of it and says nothing
        return leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    except KeyboardInterrupt:
        _say("stopped")
        return EXIT_INTERRUPTED
    except TwinError as error:
        _report(error.what, error.where, error.hint, str(error))
    except OSError as error:
        what = error.strerror or str(error)
        _report(
            what,
            str(error.filename or ""),
            "",
            f"{what}{f' · at {error.filename}' if error.filename else ''}",
        )
    except Exception as error:
        _report_unexpected(error)
    else:
        return 0
    return EXIT_FAILED


def _report_unexpected(error: Exception) -> None:
    for kind in type(error).__mro__:
        outside = _OUTSIDE.get((kind.__module__, kind.__name__))
        if outside is not None:
            detail = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            _report(outside, "", detail, f"{outside} · {detail}")
            return
    descriptor, path = tempfile.mkstemp(prefix="gridtwin-error-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    first_line = (str(error).strip().splitlines() or [""])[0]
    what = f"this is a fault of GridTwin itself ({type(error).__name__}: {first_line})"
    hint = f"please report it with the file {Path(path)}"
    _report(what, "", hint, f"{what} · {hint}")


def _report(what: str, where: str, hint: str, line: str) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(
            json.dumps({"error": {"what": what, "where": where, "hint": hint}}, ensure_ascii=False) + "\n"
        )
    _say(line)


def _say(line: str) -> None:
    sys.stderr.write(f"gridtwin: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
