"""Numbers and times as people read them; the words live where reports can use them too."""

from duckherd.units import ago, count, duration, plural, size

__all__ = ["ago", "count", "duration", "plural", "size"]
