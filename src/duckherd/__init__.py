"""duckherd: one Prefect deployment per table."""

__version__ = "0.1.0"
