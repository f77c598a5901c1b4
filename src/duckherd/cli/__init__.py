"""The `duckherd` command line: a table of commands, each imported only when called.

A command `name` is the function `name` of the module `duckherd.cli.<name>`; it returns
its exit code or None for 0. This module imports nothing heavy, so that `duckherd --help`
answers at once; the first line of a command's docstring is its summary here (a test
says so).
"""

from __future__ import annotations

import difflib
import gc
import sys
from collections.abc import Sequence

from duckherd import __version__
from duckherd.cli.ending import ending
from duckherd.errors import UsageError

COMMANDS: dict[str, dict[str, str]] = {
    "Start here": {
        "demo": "Show all of it on a sample shop database.",
        "debug": "Test source, lake, API and work pool, one line each.",
    },
    "prefect.yaml": {
        "init": "Write prefect.yaml from a database's live catalog.",
        "sync": "Bring new, changed and dropped tables into prefect.yaml.",
        "ls": "List the deployments a selection means.",
        "plan": "Show what apply would change on the server.",
        "apply": "Create and update the deployments that changed.",
        "suggest": "Suggest checks from what published tables hold.",
        "contract": "Exchange checks with data contracts.",
    },
    "Runs": {
        "up": "Start a local Prefect server, work pool and worker.",
        "worker": "Start a warm worker.",
        "run": "Run tables and watch them.",
        "retry": "Run again what failed last.",
        "status": "Tell what is going on, why, and what to rerun.",
    },
    "Judgement": {
        "check": "Run the checks of published tables without loading.",
        "sla": "Show objectives and error budgets.",
        "steps": "Show which step is the bottleneck.",
        "changes": "Show what changed in the tables' schemas, the newest first.",
        "show": "Show what a run read and wrote, and who owns its table.",
        "report": "Write one self-contained HTML report.",
        "digest": "Tell the night in one message.",
        "dashboard": "Serve the report live.",
        "audit": "Tell what a monolithic flow on this server costs.",
    },
}
"""Group -> command -> summary, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code, see `duckherd.cli.ending.Exit`."""
    if arguments is None:  # a process of its own: it builds an answer and ends
        gc.set_threshold(100_000, 50, 100)
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    tokens, debug = _take_flag(tokens, "--debug")
    return ending(lambda: _dispatch(tokens), debug=debug)


def names() -> tuple[str, ...]:
    """All commands, in the order of the help."""
    return tuple(name for group in COMMANDS.values() for name in group)


def overview() -> str:
    """What `duckherd --help` prints."""
    lines = [
        "Usage: duckherd COMMAND [OPTIONS]",
        "",
        "One Prefect deployment per table: extract, check and publish a database to a lake.",
    ]
    for group, commands in COMMANDS.items():
        lines += ["", f"{group}:", *(f"  {name:<10} {text}" for name, text in commands.items())]
    lines += [
        "",
        "Everywhere:",
        "  --help     What a command does and takes.",
        "  --debug    Show the traceback of an error.",
        "  --version  Print the version.",
    ]
    return "\n".join(lines)


def _dispatch(tokens: list[str]) -> int | None:
    first, *rest = tokens or ["--help"]
    if first in {"--help", "-h", "help"}:
        if not rest:
            print(overview())
            return None
        first, rest = rest[0], ["--help"]
    if first == "--version":
        print(f"duckherd {__version__}")
        return None
    if first not in names():
        raise UsageError(f"duckherd has no command {first!r}", hint=_nearest(first))
    from duckherd.cli.command import call

    return call(first, rest)


def _nearest(word: str) -> str:
    near = difflib.get_close_matches(word, names(), n=3)
    return f"did you mean {' or '.join(near)}?" if near else "duckherd --help lists the commands"


def _take_flag(tokens: list[str], flag: str) -> tuple[list[str], bool]:
    end = tokens.index("--") if "--" in tokens else len(tokens)
    kept = [token for token in tokens[:end] if token != flag]
    return kept + tokens[end:], len(kept) < end
