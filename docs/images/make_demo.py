"""Run the demo and draw what it printed as docs/images/demo.svg.

    python docs/images/make_demo.py [FILE]

FILE, the piped output of an earlier `duckherd demo`, is drawn instead of running it anew.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

WIDTH = 118
SHOWN = 6
"""Lines of tables that succeeded; the others are counted."""


def run() -> str:
    """What a demo prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("duckherd")), "demo"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    return done.stdout


def shortened(lines: list[str]) -> list[str]:
    """The output with most of the successful tables left out of the first run."""
    good = [line for line in lines if re.match(r"main\.\S+  ok ", line)]
    left_out = set(good[SHOWN:-1])
    kept = [line for line in lines if line not in left_out]
    kept.insert(kept.index(good[SHOWN - 1]) + 1, f"... {len(left_out)} more")
    return kept


def styled(line: str) -> Text:
    """A line in the colours it has on a terminal."""
    text = Text(line)
    if line.startswith("$ "):
        text.stylize("bold cyan")
    text.highlight_regex(r"(?<=  )ok(?=  )|(?<=: )\d+ ok", "green")
    text.highlight_regex(r"failed|\d+ not\b", "bold red")
    return text


def main() -> None:
    """Draw."""
    printed = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else run()
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in shortened(printed.strip().splitlines()):
        console.print(styled(line))
    # The viewer's own monospaced font: a picture must not load anything from elsewhere.
    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    target = Path(__file__).with_name("demo.svg")
    target.write_text(console.export_svg(title="duckherd demo", code_format=plain))


if __name__ == "__main__":
    main()
