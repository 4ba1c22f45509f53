"""Run a benchmark without the product's command line: ``python -m bench live --seconds 10``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import typing

import bench
from twin.errors import TwinError


def main() -> int:
    names = argparse.ArgumentParser(prog="bench", description=(bench.__doc__ or "").splitlines()[0])
    names.add_argument("name", choices=bench.BENCHES, help="what to measure; NAME --help lists its options")
    name = names.parse_args(sys.argv[1:2]).name
    parser = _parser(name)
    given = vars(parser.parse_args(sys.argv[2:]))
    as_json, save, as_markdown = given.pop("json"), given.pop("save"), given.pop("markdown")
    # A polite end stops what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = bench.run(name, given, lambda line: print(line, file=sys.stderr, flush=True))
    except TwinError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    text = json.dumps(result, indent=2, ensure_ascii=False)
    if save:
        with open(save, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text + "\n")
    if as_json:
        print(text)
    elif as_markdown:
        print("\n\n".join(table.markdown() for table in bench.tables(result)))
    else:
        print("\n\n".join(table.render() for table in bench.tables(result)))
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser(name: str) -> argparse.ArgumentParser:
    """Make the parser of one benchmark from its options."""
    module = bench.load(name)
    parser = argparse.ArgumentParser(
        prog=f"bench {name}",
        description=module.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    hints = typing.get_type_hints(module.Options)
    for field in dataclasses.fields(module.Options):
        flag = "--" + field.name.replace("_", "-")
        text = field.metadata.get("help", "")
        if hints[field.name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=text)
        else:
            kind = hints[field.name] if hints[field.name] in {int, float} else str
            parser.add_argument(flag, type=kind, default=field.default, help=text)
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--save", metavar="FILE", help="write the whole result to this JSON file too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
