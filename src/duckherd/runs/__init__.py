"""Flow runs of the herd: created, watched and read in bulk through Prefect's REST API."""
