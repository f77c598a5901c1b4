"""Values as JSON carries them."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_jsonable_python


def plain(value: Any) -> Any:
    """What Prefect stores of a YAML or Python value: dates as text, keys as text, lists."""
    return json.loads(json.dumps(to_jsonable_python(value)))
