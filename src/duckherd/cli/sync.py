"""`duckherd sync`."""

from __future__ import annotations

from duckherd.cli.ending import Exit
from duckherd.cli.output import message
from duckherd.cli.project import PROJECT_FILE, Exclude, File, Flag


def sync(
    *select: str,
    exclude: Exclude = None,
    file: File = PROJECT_FILE,
    dry_run: Flag = False,
    keep_dropped: Flag = False,
) -> int:
    """Bring new, changed and dropped tables into prefect.yaml.

    Reads the catalog of every source in the file. New tables become deployments, written like
    their neighbours; deployments of tables that are gone are taken out; the two checks of a
    primary key follow a key that changed. Every other byte of the file stays as it is.

    Args:
        select: Which new tables to take in; those of schemas the file has already, unless
            given. See docs/selection.md.
        dry_run: Print the difference instead of writing it.
        keep_dropped: Leave deployments of tables that are gone.
    """
    from duckherd.project.synchronize import synchronize

    done = synchronize(
        file, include=select, exclude=exclude or (), write=not dry_run, keep_dropped=keep_dropped
    )
    if dry_run:
        print(done.difference, end="")
    words = (("added", done.added), ("taken out", done.dropped), ("new key", done.changed))
    for word, names in words:
        for name in names:
            message(f"{word}: {name}")
    for schema in done.schemas:
        message(f"not taken in: schema {schema} (duckherd sync '{schema}.*' takes it in)")
    for problem in done.problems:
        message(f"to do by hand: {file}:{problem.position.line}: {problem}")
    changed = len(done.added) + len(done.dropped) + len(done.changed)
    state = f"{changed} changes" if changed else "nothing new in the source"
    message(f"{file}: {state}{', not written' if dry_run and changed else ''}")
    return Exit.GOOD
