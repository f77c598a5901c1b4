"""A local Prefect server and worker that end with the command that started them."""
