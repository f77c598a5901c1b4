"""Reading `prefect.yaml`: its deployments with their positions, and all that is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from duckherd.errors import DuckherdError, ProjectError
from duckherd.parameters import FLOW_ENTRYPOINT, IngestParameters
from duckherd.project.config import DeploymentConfig
from duckherd.project.document import Document, Path, Position
from duckherd.project.location import relative_lake, relative_source
from duckherd.project.problems import Problem, nearest, refuse
from duckherd.project.templates import fill, from_environment, templates
from duckherd.project.validation import problems_of
from duckherd.secrets import literals

_PLAIN_TEXT = (
    "{key} spells out {part}, which every reader of this file, of the deployment and of its "
    "runs would see"
)
_REFERENCE = "write ${env:NAME} (or file, prefect, gcp, aws, azure, vault) in its place"
_RELATIVE = "{key} {url!r} is a relative path, and every run starts in a folder of its own"
_WHOLE_PATH = "write the whole path, or {{ $HOME }}/... to take its beginning from here"

_TOP = ("prefect-version", "name", "build", "push", "pull", "definitions", "deployments")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of `deployments`, environment templates filled in.

    Attributes:
        name: of the deployment; unique in the file for one entrypoint.
        index: 0-based place in the list.
        position: where the entry starts in the file.
        raw: the mapping as it stands in the file, merges resolved.
        config: the same, validated.
    """

    name: str
    index: int
    position: Position
    raw: Mapping[str, Any] = field(repr=False)
    config: DeploymentConfig = field(repr=False)

    @property
    def ours(self) -> bool:
        """Whether its flow is duckherd's `ingest-table`."""
        return self.config.entrypoint == FLOW_ENTRYPOINT

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As written in the file; valid `IngestParameters` where the entry is ours."""
        return self.config.parameters or {}

    @property
    def table(self) -> str | None:
        """`schema.name`, None for other flows' deployments."""
        return str(self.parameters["table"]) if self.ours else None

    @property
    def tags(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self.config.tags or ())

    def ingest(self) -> IngestParameters:
        """The parameters of our flow, typed."""
        return IngestParameters.model_validate(dict(self.parameters))


@dataclass(frozen=True, slots=True)
class Project:
    """A `prefect.yaml` in which nothing is wrong.

    Attributes:
        path: of the file.
        entries: all deployments in the order of the file, ours and others.
        actions: the file's own `build`, `push` and `pull`; absent keys are absent.
    """

    path: FilePath
    document: Document = field(repr=False)
    entries: tuple[Entry, ...]
    actions: Mapping[str, Any]

    @property
    def tables(self) -> tuple[Entry, ...]:
        """The deployments of our flow."""
        return tuple(entry for entry in self.entries if entry.ours)


def load(path: FilePath | str = "prefect.yaml") -> Project:
    """Read and validate a project file.

    Raises ProjectError naming every problem with its line and column.
    """
    path = FilePath(path)
    document = Document.parse(_read(path), str(path))
    problems: list[Problem] = []
    data = _top(document, problems)
    items = list(_items(document, data, problems))
    refuse(document.path, problems)
    entries = [_entry(document, index, raw, problems) for index, raw in items]
    problems += _same_names(entries)
    refuse(document.path, problems)
    actions: dict[str, Any] = {key: data[key] for key in ("build", "push", "pull") if key in data}
    return Project(path, document, tuple(each for each in entries if each), actions)


def _read(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ProjectError(
            f"there is no {os.fspath(path)} here ({path.absolute().parent})",
            hint="duckherd init --source URL --lake URL writes one",
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ProjectError("is not UTF-8 text", path=str(path), line=line) from error
    except OSError as error:
        raise ProjectError(f"cannot be read: {error.strerror}", path=str(path)) from error


def _top(document: Document, problems: list[Problem]) -> dict[str, Any]:
    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        raise ProjectError("is not a mapping with a list of deployments", path=document.path)
    for key in data:
        # Unknown keys at the top are where people keep anchors; only likely typos are refused.
        hint = nearest(str(key), _TOP)
        if key not in _TOP and hint.startswith("did you mean"):
            problems.append(Problem(document.key_position((key,)), f"unknown key {key!r}", hint))
    return data


def _items(
    document: Document, data: Mapping[str, Any], problems: list[Problem]
) -> Iterator[tuple[int, dict[str, Any]]]:
    deployments = data.get("deployments") or []
    if not isinstance(deployments, list):
        here = document.position(("deployments",))
        problems.append(Problem(here, "deployments must be a list"))
        return
    for index, raw in enumerate(deployments):
        if isinstance(raw, dict):
            yield index, raw
        else:
            here = document.position(("deployments", index))
            problems.append(Problem(here, "a deployment must be a mapping"))


def _entry(
    document: Document, index: int, raw: dict[str, Any], problems: list[Problem]
) -> Entry | None:
    path: Path = ("deployments", index)
    name = raw.get("name")
    what = f"deployment {name!r}" if name else f"deployment number {index + 1}"
    filled = fill(raw, from_environment)
    found = [
        *_unset(document, path, filled, what),
        *problems_of(DeploymentConfig, filled, document, path, what),
        *_unnamed(document, path, filled),
    ]
    if not found and filled.get("entrypoint") == FLOW_ENTRYPOINT:
        found += _wrong_parameters(document, path, filled, what)
    problems += found
    if found:
        return None
    config = DeploymentConfig.model_validate(filled)
    return Entry(str(filled["name"]), index, document.position(path), filled, config)


def _unnamed(document: Document, path: Path, raw: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("name", "entrypoint"):
        if not raw.get(key):
            here = document.position(path)
            name = f" {raw['name']!r}" if raw.get("name") else ""
            yield Problem(here, f"deployment{name} has no {key}")


def _unset(document: Document, path: Path, value: Any, what: str) -> Iterator[Problem]:
    # Prefect puts an empty text in the place of a variable that is not set.
    for name in templates(value):
        if name.startswith("$"):
            message = f"environment variable {name[1:]!r} of {{{{ {name} }}}} is not set"
            yield Problem(document.position(path), message, f"export {name[1:]}=...", what)


def _wrong_parameters(
    document: Document, path: Path, raw: Mapping[str, Any], what: str
) -> Iterator[Problem]:
    parameters = raw.get("parameters") or {}
    where = (*path, "parameters")
    yield from problems_of(IngestParameters, parameters, document, where, what)
    for key in ("source", "lake"):
        text = parameters.get(key)
        if isinstance(text, str):
            yield from _wrong_url(document, (*where, key), text, what)


def _wrong_url(document: Document, path: Path, url: str, what: str) -> Iterator[Problem]:
    for message, hint in _faults(str(path[-1]), url):
        yield Problem(document.position(path), message, hint, what)


@lru_cache(maxsize=128)  # a thousand deployments share one source and one lake
def _faults(key: str, url: str) -> tuple[tuple[str, str | None], ...]:
    """What is wrong with a `source` or `lake`: messages with hints, no secret in either."""
    try:
        spelled_out = literals(url)
        if not spelled_out and not url.startswith("${"):
            relative = relative_source(url) if key == "source" else relative_lake(url)
            return ((_RELATIVE.format(key=key, url=url), _WHOLE_PATH),) if relative else ()
    except DuckherdError as error:
        return ((f"{key}: {error.message}", error.hint),)
    return tuple((_PLAIN_TEXT.format(key=key, part=each.part), _REFERENCE) for each in spelled_out)


def _same_names(entries: list[Entry | None]) -> Iterator[Problem]:
    first: dict[tuple[str, str | None], Entry] = {}
    for entry in entries:
        if entry is None:
            continue
        known = first.setdefault((entry.name, entry.config.entrypoint), entry)
        if known is not entry:
            yield Problem(
                entry.position,
                f"deployment {entry.name!r} is there twice (first in line {known.position.line})",
            )
