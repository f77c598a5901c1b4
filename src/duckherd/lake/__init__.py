"""Lakes: where they are, what is published in them, and publishing."""

from duckherd.lake.location import Lake, open_lake
from duckherd.lake.publish import publish

__all__ = ["Lake", "open_lake", "publish"]
