"""Secret references `${provider:name}`: finding, resolving and hiding them."""

from duckherd.secrets.reference import PROVIDERS, Reference, references
from duckherd.secrets.resolve import resolve, resolve_url
from duckherd.secrets.scrub import HIDDEN, guard, redact, remember, scrub
from duckherd.secrets.url import Literal, literals, shape

__all__ = [
    "HIDDEN",
    "PROVIDERS",
    "Literal",
    "Reference",
    "guard",
    "literals",
    "redact",
    "references",
    "remember",
    "resolve",
    "resolve_url",
    "scrub",
    "shape",
]
