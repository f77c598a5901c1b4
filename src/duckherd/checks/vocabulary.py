"""The checks a user may write in `parameters.checks`."""
