"""A lake in a bucket: S3 and what speaks it, Google Cloud Storage, Azure Blob Storage.

Exclusiveness comes from conditional writes (`If-None-Match`, `If-Match`, generations).
Some stores take such a write and ignore its condition; two runs could then both
believe that they won. So before its first publish a process asks once, by a write that
must be refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from duckherd.errors import LakeError
from duckherd.lake.naming import STATE_FOLDER
from duckherd.lake.refusal import explained, no_bucket
from duckherd.lake.store import Content, Draft, Stale

if TYPE_CHECKING:
    from obstore import PutMode, PutResult
    from obstore.store import ObjectStore

_SINGLE_PUT = 8 * 1024 * 1024
"""Objects up to this many bytes are written by one conditional request."""

_PART = 8 * 1024 * 1024
_PARTS_AT_ONCE = 4
_MOST_PARTS = 10_000
_PROBE = f"{STATE_FOLDER}/conditional-writes"
_METADATA = "duckherdflowrun"
"""Letters only: Azure allows no hyphen in names of metadata, proxies drop underscores."""

_proven: set[tuple[str, str | None]] = set()
"""Lakes (URL, endpoint) whose store this process saw refuse writes as it must."""


class BucketStore:
    """Objects below a prefix of a bucket.

    Args:
        client: obstore's client, with its prefix.
        url: the lake's URL without options, for messages.
        endpoint: the user's own endpoint; None for the cloud's, which is known to keep
            conditions.
        by_generation: whether conditions go by generation (Google) instead of ETag.
        conditional: False where the user says that the store cannot write conditionally;
            then versions are only compared before each write.
    """

    def __init__(
        self,
        client: ObjectStore,
        url: str,
        *,
        endpoint: str | None = None,
        by_generation: bool = False,
        conditional: bool = True,
    ) -> None:
        self._client = client
        self._url = url
        self._endpoint = endpoint
        self._by_generation = by_generation
        self._conditional = conditional

    def prepare(self) -> None:
        place = (self._url, self._endpoint)
        if not self._conditional or self._endpoint is None or place in _proven:
            return
        with self._explained("testing its conditional writes"):
            # The first may be the one that makes the probe; then the second must be refused.
            created = self._takes(None)
            if (created and self._takes(None)) or self._takes("0"):
                raise LakeError(
                    f"the store of {self._url} ignores conditional writes (If-Match, "
                    "If-None-Match), so two runs of one table could overwrite each other",
                    hint="use a store that keeps them, or, where each table's deployment has "
                    "concurrency_limit: 1, add conditional_put=disabled to the lake's URL",
                )
        _proven.add(place)

    @contextlib.contextmanager
    def hold(self, path: str) -> Iterator[BucketStore]:
        """Nothing is held: conditional writes decide."""
        yield self

    def read(self, path: str) -> Content | None:
        with self._explained(f"reading {path}"):
            try:
                result = obstore.get(self._client, path)
                return Content(
                    bytes(result.bytes()), self._version(result.meta), result.meta["size"]
                )
            except FileNotFoundError as error:
                if no_bucket(str(error)):
                    raise
                return None

    def swap(self, path: str, content: bytes, expected: str | None) -> str:
        with self._explained(f"writing {path}"):
            try:
                return self._put(path, content, expected)
            except Stale:
                # The store may have taken our write and lost its answer on the way.
                found = self.read(path)
                if found is not None and found.data == content:
                    return found.version
                raise

    def stage(self, draft: Draft) -> None:
        """Nothing can be done of a write without doing it."""

    def put(self, draft: Draft, fence: Callable[[], None]) -> str:
        attributes = {_METADATA: draft.flow_run}
        with self._explained(f"writing {draft.path}"):
            if draft.assembly.size <= _SINGLE_PUT:
                content = b"".join(draft.assembly.chunks(_SINGLE_PUT))
                return self._put(draft.path, content, draft.expected, attributes)
            part = max(_PART, -(-draft.assembly.size // (_MOST_PARTS - 1)))
            return self._version(
                obstore.put(
                    self._client,
                    draft.path,
                    _fenced(draft.assembly.chunks(part), fence),
                    attributes=attributes,
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=_PARTS_AT_ONCE,
                )
            )

    def settle(self) -> None:
        """A store answers when it has the object for good."""

    def tail(self, path: str, size: int) -> Content | None:
        with self._explained(f"reading {path}"):
            try:
                meta = obstore.head(self._client, path)
                start = max(0, meta["size"] - size)
                data = obstore.get_range(self._client, path, start=start, end=meta["size"])
            except FileNotFoundError as error:
                if no_bucket(str(error)):
                    raise
                return None
            return Content(bytes(data), self._version(meta), meta["size"])

    def remove(self, paths: Iterable[str]) -> None:
        objects = []
        for path in paths:
            if path.endswith("/"):
                with self._explained(f"deleting {path}"):
                    for found in obstore.list(self._client, path):
                        self._delete([item["path"] for item in found])
            else:
                objects.append(path)
        with self._explained("deleting objects of earlier versions"):
            self._delete(objects)

    def local(self, path: str) -> Path | None:
        return None

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Any]:
        if self.tail(path, 1) is None:
            raise FileNotFoundError(path)
        with self._explained(f"reading {path}"):
            file = obstore.open_reader(self._client, path)
            yield file
            file.close()

    def download(self, path: str, target: Path) -> bool:
        with self._explained(f"reading {path}"):
            try:
                result = obstore.get(self._client, path)
            except FileNotFoundError as error:
                if no_bucket(str(error)):
                    raise
                return False
            with target.open("wb") as file:
                for chunk in result.stream(min_chunk_size=_PART):
                    file.write(chunk)
        return True

    def _delete(self, paths: Sequence[str]) -> None:
        try:
            if paths:
                obstore.delete(self._client, paths)
        except FileNotFoundError:
            # Only some stores mind, and then they may have stopped at the missing one.
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._client, path)

    def _takes(self, expected: str | None) -> bool:
        """Whether the store writes the probe under this condition."""
        try:
            obstore.put(self._client, _PROBE, b"", mode=self._mode(expected))
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def _mode(self, expected: str | None) -> PutMode:
        if not self._conditional:
            return "overwrite"
        if expected is None:
            return "create"
        return {"version": expected} if self._by_generation else {"e_tag": expected}

    def _put(
        self,
        path: str,
        content: bytes,
        expected: str | None,
        attributes: dict[str, str] | None = None,
    ) -> str:
        if not self._conditional:
            self._compare(path, expected)
        try:
            result = obstore.put(
                self._client,
                path,
                content,
                mode=self._mode(expected),
                attributes=attributes,
                use_multipart=False,
            )
        except (AlreadyExistsError, PreconditionError) as error:
            raise Stale(path) from error
        except BaseError as error:
            # S3 answers 409 to one of two conditional writes that arrive together.
            if "409 Conflict" in str(error):
                raise Stale(path) from error
            raise
        return self._version(result)

    def _compare(self, path: str, expected: str | None) -> None:
        try:
            found = self._version(obstore.head(self._client, path))
        except FileNotFoundError:
            found = None
        if found != expected:
            raise Stale(path)

    def _version(self, meta: PutResult | Any) -> str:
        value = meta.get("version") if self._by_generation else meta.get("e_tag")
        if not value:
            raise LakeError(f"the store of {self._url} tells no versions of its objects")
        return str(value)

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise explained(error, self._url, doing) from None


def _fenced(chunks: Iterator[bytes], fence: Callable[[], None]) -> Iterator[bytes]:
    """The chunks, with the fence before the last: what it raises aborts the upload."""
    last = next(chunks, None)
    for chunk in chunks:
        if last is not None:
            yield last
        last = chunk
    # The client drives this generator; it cannot be asked anything from inside.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(fence).result()
    if last is not None:
        yield last
