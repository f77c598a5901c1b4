"""The warm worker: a Prefect worker type that keeps processes with Prefect imported."""
