"""What the local server does not compute twice."""

from __future__ import annotations

import jsonschema
import pytest

from duckherd.server.app import remember_valid_schemas


def test_valid_schemas_are_checked_once_and_invalid_ones_always():
    """A schema found valid is not checked again; an invalid one is refused each time."""
    checked = []

    class Validator:
        @classmethod
        def check_schema(cls, schema, *args, **options):
            checked.append(schema)
            jsonschema.Draft202012Validator.check_schema(schema, *args, **options)

    remember_valid_schemas(Validator)
    for _ in range(3):
        Validator.check_schema({"type": "object"})
    assert len(checked) == 1
    for _ in range(2):
        with pytest.raises(jsonschema.SchemaError):
            Validator.check_schema({"type": "nothing"})
