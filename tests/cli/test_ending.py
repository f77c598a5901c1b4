"""Exit codes and messages of errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from duckherd.cli.ending import ending
from duckherd.errors import SourceUnreachable


def _raise(error: BaseException):
    def command():
        raise error

    return command


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_a_command_chooses_its_code(value, code):
    """What a command returns is the exit code; nothing means good."""
    assert ending(lambda: value) == code


def test_our_errors_are_one_message_with_a_hint(capsys):
    """An error of ours is told once, with its hint, without traceback, exit code 2."""
    code = ending(_raise(SourceUnreachable("erp-db:1433 does not answer", hint="is it up?")))
    said = capsys.readouterr()
    assert code == 2
    assert said.err == "error: erp-db:1433 does not answer\n  hint: is it up?\n"
    assert said.out == ""


def test_debug_shows_the_traceback(capsys):
    """With --debug the traceback comes before the message."""
    ending(_raise(SourceUnreachable("no answer")), debug=True)
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("error: no answer\n")


def test_surprises_are_one_line_and_how_to_see_more(capsys):
    """An unexpected exception is one line, naming its class and --debug."""
    assert ending(_raise(ZeroDivisionError("division by zero\nsecond line"))) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "error: unexpected ZeroDivisionError: division by zero"
    assert "--debug" in said.splitlines()[1]
    assert "Traceback" not in said


def test_interrupt_is_130(capsys):
    """Ctrl-C ends with 130."""
    assert ending(_raise(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_sigterm_is_an_interrupt():
    """SIGTERM unwinds a command as Ctrl-C does, so that it stops what it started."""
    unwound = []

    def command():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)

    assert ending(command) == 130
    assert unwound == [True]


def test_reader_that_left_is_no_error():
    """`duckherd ... | head` says nothing about the closed pipe."""
    code = (
        "from duckherd.cli.ending import ending\n"
        "import sys\n"
        "def command():\n"
        "    for _ in range(100000): print('a line of text')\n"
        "sys.exit(ending(command))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
