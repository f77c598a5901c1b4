"""`prefect.yaml`: reading, writing, comparing with a server and applying."""

from duckherd.project.file import Entry, Project, load

__all__ = ["Entry", "Project", "load"]
