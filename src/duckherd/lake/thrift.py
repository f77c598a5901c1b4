"""Thrift's compact protocol, without a schema: enough to change a Parquet footer.

A struct is a list of `Field`, a list or set is an `Items`; both are written back byte
for byte as they were read. Source: thrift's `thrift-compact-protocol.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_VARINTS = frozenset((I16, I32, I64))


@dataclass(slots=True)
class Field:
    """One field of a struct; integers are as stored, not yet unzigzagged by `number`."""

    id: int
    type: int
    value: Any


@dataclass(slots=True)
class Items:
    """A list or set; `type` is that of its items."""

    type: int
    values: list[Any]


Struct = list[Field]


def find(struct: Struct, field_id: int) -> Any:
    """The value of a field, None where it is absent."""
    return next((field.value for field in struct if field.id == field_id), None)


def put(struct: Struct, field_id: int, kind: int, value: Any) -> None:
    """Set a field, keeping fields in the order of their ids."""
    struct[:] = [field for field in struct if field.id != field_id]
    struct.append(Field(field_id, kind, value))
    struct.sort(key=lambda field: field.id)


def decode(data: bytes) -> Struct:
    """Read one struct. Raises IndexError or ValueError where the bytes are not one."""
    struct, _ = _read_struct(data, 0)
    return struct


def encode(struct: Struct) -> bytes:
    """Write one struct."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    result, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at + 1
        shift += 7


def _unzigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _read_struct(data: bytes, at: int) -> tuple[Struct, int]:
    fields: Struct = []
    last = 0
    while header := data[at]:
        at += 1
        kind, delta = header & 0x0F, header >> 4
        if delta:
            last += delta
        else:
            raw, at = _read_varint(data, at)
            last = _unzigzag(raw)
        if kind in (TRUE, FALSE):
            fields.append(Field(last, kind, kind == TRUE))
            continue
        value, at = _read_value(data, at, kind)
        fields.append(Field(last, kind, value))
    return fields, at + 1


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _VARINTS:
        raw, at = _read_varint(data, at)
        return _unzigzag(raw), at
    if kind == BINARY:
        length, at = _read_varint(data, at)
        return data[at : at + length], at + length
    if kind == STRUCT:
        return _read_struct(data, at)
    if kind in (LIST, SET):
        return _read_items(data, at)
    if kind == DOUBLE:
        return data[at : at + 8], at + 8
    if kind in (BYTE, TRUE, FALSE):
        return data[at], at + 1
    raise ValueError(f"thrift type {kind} is not part of a Parquet footer")


def _read_items(data: bytes, at: int) -> tuple[Items, int]:
    header = data[at]
    at += 1
    size, kind = header >> 4, header & 0x0F
    if size == 15:
        size, at = _read_varint(data, at)
    values = []
    for _ in range(size):
        value, at = _read_value(data, at, kind)
        values.append(value)
    return Items(kind, values), at


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for field in struct:
        delta = field.id - last
        if 0 < delta < 16:
            out.append(delta << 4 | field.type)
        else:
            out.append(field.type)
            _write_varint(out, _zigzag(field.id))
        last = field.id
        if field.type not in (TRUE, FALSE):
            _write_value(out, field.type, field.value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _VARINTS:
        _write_varint(out, _zigzag(value))
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)
    elif kind in (LIST, SET):
        _write_items(out, value)
    elif kind == DOUBLE:
        out += value
    else:
        out.append(value)


def _write_items(out: bytearray, items: Items) -> None:
    if len(items.values) < 15:
        out.append(len(items.values) << 4 | items.type)
    else:
        out.append(0xF0 | items.type)
        _write_varint(out, len(items.values))
    for value in items.values:
        _write_value(out, items.type, value)
