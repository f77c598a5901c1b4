"""A contract's text into checks, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from duckherd.catalog.model import TableName
from duckherd.checks.vocabulary import Check
from duckherd.contract import dbt, odcs_import
from duckherd.contract.model import Imported, Item
from duckherd.errors import UsageError


def read_contract(file: Path) -> tuple[Imported, ...]:
    """The checks of each table of an ODCS contract or a dbt `schema.yml`.

    Every check is one of ours, in its shortest form. Raises UsageError where the file
    is neither.
    """
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} is no contract: it holds no mapping")
    if content.get("kind") == "DataContract" and "schema" in content:
        found = odcs_import.imported_tables(content)
    elif "models" in content or "sources" in content:
        found = dbt.imported_tables(content)
    else:
        raise UsageError(
            f"{file} is neither an ODCS contract (kind: DataContract) nor a dbt schema.yml "
            "(models: or sources:)"
        )
    return tuple(_checked(imported) for imported in found)


def pick(found: tuple[Imported, ...], table: str) -> Imported | None:
    """The part of a contract that is about `table`: of its full name, else of its bare name."""
    bare = TableName.parse(table).name
    by_name = {imported.source: imported for imported in found}
    return by_name.get(table) or by_name.get(bare)


def _checked(imported: Imported) -> Imported:
    checks: list[Item] = []
    left_out = list(imported.left_out)
    for item in imported.checks:
        try:
            check = Check.model_validate(item)
        except ValidationError as error:
            left_out.append(f"{next(iter(item))}: {_first(error)}")
        else:
            checks.append(check.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    return Imported(imported.source, tuple(checks), tuple(left_out))


def _first(error: ValidationError) -> Any:
    return error.errors()[0]["msg"]
