"""Parses the command line, runs a command, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import pequegrad as pg

from .. import __version__
from ..errors import OnnxError, ResourceLimitError, clean
from . import check, convert, inspect, ops, run, verify
from .common import Report

__all__ = ["main"]

INTERNAL = 70  # an error in pg_onnx itself
_COMMANDS = (inspect, check, convert, run, verify, ops)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {clean(message)}. See {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command.

    >>> parser().parse_args(["check", "model.onnx"]).command
    'check'
    """
    top = _Parser(
        prog="pg-onnx",
        description="Inspect, check, convert, run and verify ONNX models.",
        epilog="Example: pg-onnx verify model.onnx",
    )
    top.add_argument("--version", action="version", version=f"pg-onnx {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2]
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"Example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_common(sub)
        module.add_arguments(sub)
    return top


def _add_common(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("all commands")
    group.add_argument("--json", action="store_true", help="one JSON object on the standard output")
    group.add_argument("--debug", action="store_true", help="show where in Python an error comes from")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no text beyond the result")
    group.add_argument("--max-memory", type=_size, metavar="SIZE", help="memory for tensors, such as 2G")
    group.add_argument("--max-elements", type=int, metavar="N", help="elements of one tensor")
    group.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after so long")


def _size(text: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
    number, factor = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 1)
    try:
        value = int(float(number) * factor)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 500M or 2G") from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 500M or 2G")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command for these arguments (those of the process by default); its exit code.

    >>> main(["inspect", "no such file.onnx", "--quiet"])
    6
    """
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    module = next(m for m in _COMMANDS if m.__name__.rpartition(".")[2] == options.command)
    report = Report(options.command, options.json)
    old = signal.getsignal(signal.SIGALRM) if options.timeout else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if options.quiet else "default")
            warnings.showwarning = _warn  # type: ignore[assignment]
            if options.timeout:
                signal.signal(signal.SIGALRM, _give_up)
                signal.setitimer(signal.ITIMER_REAL, options.timeout)
            if options.max_memory:
                pg.debug.set_memory_limit(options.max_memory)
            code = module.execute(options, report)
        report.print(code)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has read enough
        return 0
    except KeyboardInterrupt:
        print("pg-onnx: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        return _complain(error, options, report)
    finally:
        if options.timeout:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        if options.max_memory:
            pg.debug.set_memory_limit(0)


def _warn(message: Warning | str, category: type[Warning], *rest: Any) -> None:
    print(f"pg-onnx: warning: {clean(str(message))}", file=sys.stderr)


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise ResourceLimitError("the time given by --timeout is over")


def code_of(error: Exception) -> int:
    """The exit code for an error.

    >>> code_of(pg.errors.ShapeError("shapes differ")), code_of(MemoryError()), code_of(KeyError("x"))
    (3, 5, 70)
    """
    if isinstance(error, OnnxError):
        return error.exit_code
    if isinstance(error, (MemoryError, pg.errors.OutOfMemoryError, RecursionError)):
        return 5
    if isinstance(error, pg.errors.UnsupportedError):
        return 4
    if isinstance(error, pg.errors.PequegradError):
        return 3  # nodes whose operands do not fit
    return 6 if isinstance(error, OSError) else INTERNAL


def _complain(error: Exception, options: argparse.Namespace, report: Report) -> int:
    if options.debug:
        traceback.print_exc()
    code = code_of(error)
    text = clean(str(error)) or type(error).__name__
    model = getattr(options, "model", None)
    where = f"{clean(str(model))}: " if model and str(model) not in text else ""
    if code == INTERNAL:
        text = f"internal error, {type(error).__name__}: {text} (--debug shows where; please report it)"
    print(f"pg-onnx: error: {where}{text}", file=sys.stderr)
    if options.json:
        kind = type(error).__name__
        print(json.dumps({**report.head(), "ok": False, "exit_code": code, "error": kind, "message": text}))
    return code
