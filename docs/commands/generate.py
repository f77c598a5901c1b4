"""Write each command's help into its page: `python docs/commands/generate.py [--check]`.

A page is `docs/commands/<name>.md`; only the block between the two markers is replaced,
a page that does not exist is begun. `--check` writes nothing and exits 1 when a page is
not up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from duckherd.cli import names
from duckherd.cli.command import help_text

FOLDER = Path(__file__).parent
BEGIN = "<!-- help: written by docs/commands/generate.py -->"
END = "<!-- /help -->"


def page(name: str, before: str | None) -> str:
    """The page of a command with its help brought up to date."""
    block = f"{BEGIN}\n```text\n$ duckherd {name} --help\n{help_text(name)}```\n{END}"
    if before is None:
        return f"# duckherd {name}\n\n{block}\n"
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    if not re.search(pattern, before, re.DOTALL):
        return f"{before.rstrip()}\n\n{block}\n"
    return re.sub(pattern, lambda _: block, before, count=1, flags=re.DOTALL)


def outdated(name: str) -> str | None:
    """The text the command's page should have, None when it has it."""
    path = FOLDER / f"{name}.md"
    before = path.read_text() if path.exists() else None
    after = page(name, before)
    return None if after == before else after


def main() -> int:
    """Bring the pages up to date; the exit code."""
    late = {name: text for name in names() if (text := outdated(name)) is not None}
    if "--check" in sys.argv[1:]:
        for name in late:
            print(f"docs/commands/{name}.md is not up to date", file=sys.stderr)
        return 1 if late else 0
    for name, text in late.items():
        (FOLDER / f"{name}.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
