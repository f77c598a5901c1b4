"""The table of commands, their help and their pages."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from duckherd.cli import COMMANDS, main, names, overview

DOCS = Path(__file__).parents[2] / "docs" / "commands"

spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", names())
def test_summary_is_the_first_line_of_the_docstring(name):
    """What `duckherd --help` says of a command is what the command says of itself."""
    summary = next(group[name] for group in COMMANDS.values() if name in group)
    command = getattr(import_module(f"duckherd.cli.{name}"), name)
    assert inspect.getdoc(command).splitlines()[0] == summary


@pytest.mark.parametrize("name", names())
def test_docs_page_shows_the_help(name):
    """Each command has a page whose help is the command's own, and text beside it."""
    assert generate.outdated(name) is None, "run: python docs/commands/generate.py"
    text = (DOCS / f"{name}.md").read_text()
    beside = text.partition(generate.BEGIN)[0] + text.partition(generate.END)[2]
    assert len(beside.split()) > 15, f"docs/commands/{name}.md explains nothing beside the help"


@pytest.mark.parametrize("name", names())
def test_every_option_is_explained(name, capsys):
    """No argument or option of a command is without a word of help."""
    from duckherd.cli.command import application

    for argument in application(name).assemble_argument_collection(parse_docstring=True):
        assert argument.parameter.help, argument.name


def test_overview_imports_nothing_heavy():
    """`duckherd --help` answers at once because it imports no third-party package."""
    code = (
        "import sys; from duckherd.cli import main; main(['--help']);"
        "heavy = ('cyclopts', 'rich', 'httpx', 'prefect', 'duckdb', 'pydantic');"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", names())
def test_importing_a_command_imports_nothing_heavy(name):
    """A command's module leaves Prefect, DuckDB and pyarrow to the moment they are needed."""
    code = (
        f"import sys, duckherd.cli.{name};"
        "print([m for m in ('prefect','duckdb','pyarrow','boto3','pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_overview_fits_eighty_columns():
    """The overview names every command within 80 columns."""
    text = overview()
    assert all(len(line) <= 84 for line in text.splitlines())
    assert all(f"  {name} " in text for name in names())


def test_unknown_command_names_the_nearest(capsys):
    """A mistyped command is told with the nearest one and exit code 2."""
    assert main(["statsu"]) == 2
    assert "did you mean status?" in capsys.readouterr().err


def test_version(capsys):
    """`--version` prints the package's version."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("duckherd 0.")
