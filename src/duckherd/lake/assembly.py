"""Parquet files put one behind the other, without decoding a single value.

The row groups of all files are copied as they are; only the footer is new: it shifts
their offsets and carries who wrote the object as key-value metadata, so that an
object tells its flow run on every store, also where a store keeps no metadata.
Source of the field numbers: `parquet.thrift` of apache/parquet-format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from duckherd.errors import LakeError
from duckherd.lake import thrift
from duckherd.lake.thrift import Field, Items, Struct

FLOW_RUN = "duckherd.flow_run"
_MAGIC = b"PAR1"
_TRAILER = 8
"""Length of the footer (4 bytes, little endian) and the magic behind it."""

_SCHEMA, _ROWS, _ROW_GROUPS, _METADATA = 2, 3, 4, 5  # FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # RowGroup
_CHUNK_META, _CHUNK_OFFSETS = 3, (2, 4, 6)  # ColumnChunk: file, offset index, column index
_META_OFFSETS = (9, 10, 11, 14)  # ColumnMetaData: data, index and dictionary page, bloom filter


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` (exclusive) of a local file."""

    path: Path
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Assembly:
    """One Parquet object, not yet written: pieces of local files, then `tail`.

    Attributes:
        tail: the footer with its trailer.
        rows: rows the footer tells.
        size: bytes in all.
    """

    pieces: tuple[Piece, ...]
    tail: bytes
    rows: int
    size: int

    def chunks(self, size: int) -> Iterator[bytes]:
        """The object's bytes, at most `size` at a time."""
        for piece in self.pieces:
            with piece.path.open("rb") as file:
                file.seek(piece.start)
                left = piece.stop - piece.start
                while left and (chunk := file.read(min(size, left))):
                    left -= len(chunk)
                    yield chunk
                if left:
                    raise LakeError(f"{piece.path} became shorter while it was published")
        yield self.tail


class SchemasDiffer(Exception):
    """The files cannot be put behind each other as they are."""


def assemble(files: Sequence[Path], metadata: Mapping[str, str]) -> Assembly:
    """Put `files` one behind the other as one Parquet object.

    Raises LakeError for a file that is not whole Parquet, SchemasDiffer where the
    files' schemas are not the very same.
    """
    parts = [(path, *_footer(path)) for path in files]
    first = parts[0][2]
    groups: list[Struct] = []
    pieces: list[Piece] = []
    written = 0
    for path, start, footer in parts:
        if thrift.find(footer, _SCHEMA) != thrift.find(first, _SCHEMA):
            raise SchemasDiffer(str(path))
        piece = Piece(path, 0 if not pieces else len(_MAGIC), start)
        _shift(thrift.find(footer, _ROW_GROUPS).values, written - piece.start)
        groups += thrift.find(footer, _ROW_GROUPS).values
        written += piece.stop - piece.start
        pieces.append(piece)
    rows = sum(thrift.find(footer, _ROWS) for _, _, footer in parts)
    tail = _tail(first, groups, rows, metadata)
    return Assembly(tuple(pieces), tail, rows, written + len(tail))


def _footer(path: Path) -> tuple[int, Struct]:
    with path.open("rb") as file:
        start = file.seek(0, 2) - _TRAILER
        file.seek(max(start, 0))
        trailer = file.read(_TRAILER)
        if start < len(_MAGIC) or not trailer.endswith(_MAGIC):
            raise LakeError(f"{path} is not a whole Parquet file")
        length = int.from_bytes(trailer[:4], "little")
        if length > start - len(_MAGIC):
            raise LakeError(f"{path} is not a whole Parquet file: its footer is longer than it")
        return start - length, _decoded(file, start - length, length, path)


def _decoded(file: IO[bytes], start: int, length: int, path: Path) -> Struct:
    file.seek(start)
    try:
        footer = thrift.decode(file.read(length))
    except (IndexError, ValueError, RecursionError) as error:
        raise LakeError(f"the footer of {path} cannot be read: {error}") from error
    if any(thrift.find(footer, field) is None for field in (_SCHEMA, _ROWS, _ROW_GROUPS)):
        raise LakeError(f"the footer of {path} tells no schema or no rows")
    return footer


def _shift(groups: list[Struct], by: int) -> None:
    if not by:
        return
    for group in groups:
        _move(group, (_GROUP_OFFSET,), by)
        for chunk in thrift.find(group, _COLUMNS).values:
            _move(chunk, _CHUNK_OFFSETS, by)
            _move(thrift.find(chunk, _CHUNK_META) or [], _META_OFFSETS, by)


def _move(struct: Struct, ids: tuple[int, ...], by: int) -> None:
    for field in struct:
        # Writers leave 0 where an offset is not used: nothing lies before the magic.
        if field.id in ids and field.value > 0:
            field.value += by


def _tail(first: Struct, groups: list[Struct], rows: int, metadata: Mapping[str, str]) -> bytes:
    for ordinal, group in enumerate(groups):
        for field in group:
            if field.id == _ORDINAL:
                field.value = min(ordinal, 0x7FFF)
    thrift.put(first, _ROWS, thrift.I64, rows)
    thrift.put(first, _ROW_GROUPS, thrift.LIST, Items(thrift.STRUCT, groups))
    thrift.put(first, _METADATA, thrift.LIST, _merged(thrift.find(first, _METADATA), metadata))
    footer = thrift.encode(first)
    return footer + len(footer).to_bytes(4, "little") + _MAGIC


def _merged(old: Any, metadata: Mapping[str, str]) -> Items:
    names = {name.encode() for name in metadata}
    kept = [pair for pair in (old.values if old else []) if thrift.find(pair, 1) not in names]
    ours = [
        [Field(1, thrift.BINARY, name.encode()), Field(2, thrift.BINARY, value.encode())]
        for name, value in metadata.items()
    ]
    return Items(thrift.STRUCT, kept + ours)


def metadata_of(tail: bytes) -> dict[str, str] | int:
    """Key-value metadata of an object of which `tail` is the end.

    Returns how many bytes from the end are needed where `tail` is too short.
    """
    if len(tail) < _TRAILER or not tail.endswith(_MAGIC):
        return {}
    needed = int.from_bytes(tail[-_TRAILER:-4], "little") + _TRAILER
    if needed > len(tail):
        return needed
    pairs = thrift.find(thrift.decode(tail[-needed:-_TRAILER]), _METADATA)
    return {
        bytes(thrift.find(pair, 1)).decode(): bytes(thrift.find(pair, 2) or b"").decode()
        for pair in (pairs.values if pairs else [])
    }
