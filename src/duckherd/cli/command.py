"""One command as a cyclopts application: parsing, help, and its mistakes as our errors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, CycloptsError, Group

from duckherd.errors import UsageError


def call(name: str, tokens: Sequence[str]) -> int | None:
    """Parse `tokens` for the command `name` and run it; its exit code or None."""
    try:
        result = application(name)(list(tokens))
    except CycloptsError as error:
        raise UsageError(_message(error), hint=f"duckherd {name} --help") from error
    return result if isinstance(result, int) else None


def application(name: str) -> App:
    """The parser of one command; imports only that command's module."""
    app = App(
        name=f"duckherd {name}",
        version_flags=(),
        group_commands=Group("", show=False),  # would list only --help
        help_format="markdown",
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app.default(getattr(import_module(f"duckherd.cli.{name}"), name))
    return app


def help_text(name: str) -> str:
    """The command's help as a terminal of 80 columns without colour shows it."""
    from rich.console import Console

    page = io.StringIO()
    console = Console(file=page, width=80, color_system=None, force_terminal=False)
    application(name).help_print([], console=console)
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines()) + "\n"


def _message(error: CycloptsError) -> str:
    return " ".join(str(error).split())
