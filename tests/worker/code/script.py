# ruff: noqa: D103 - flows named for what they do
"""A flow only reachable as a script."""

import json
import os
from pathlib import Path

from prefect import flow


@flow
def scripted(out: str) -> None:
    import beside_script

    seen = {"pid": os.getpid(), "cwd": str(Path.cwd()), "beside": beside_script.HERE}
    Path(out).write_text(json.dumps(seen))


if __name__ == "__main__":
    raise SystemExit("not meant to be run")
