"""The checks of a table: their vocabulary, one query for all, verdicts.

Imports neither DuckDB nor Prefect: parameters are validated without them.
"""

from duckherd.checks.engine import Resources
from duckherd.checks.run import run_checks

__all__ = ["Resources", "run_checks"]
