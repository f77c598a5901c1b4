"""Messages between a warm worker and the processes that run its flow runs.

Each message is one frozen record, sent as one JSON document after its length
(four bytes, big-endian) over a private socket pair. Prefect's own objects
travel as the JSON text Prefect itself writes and reads.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Mapping

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class RelatedName:
    """What an event tells of an object it relates to; spares the child a read of it."""

    kind: str
    id: str
    name: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Worker to child: attempt this flow run now."""

    flow_run: str
    """The flow run as Prefect's JSON, its state the one the server accepted last."""
    entrypoint: str | None
    """Where the flow is imported from, or None: pull the code as the deployment says."""
    working_dir: str | None
    """Folder to run in; None is a fresh temporary folder."""
    env: Mapping[str, str]
    """Variables of this run alone (`PREFECT__...`), on top of the process's environment."""
    stream_output: bool = True
    related: tuple[RelatedName, ...] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Worker to child: run the hooks of a flow run whose own process is gone."""

    flow_run: str
    state: str
    """The state the run entered, as Prefect's JSON: Cancelling or Crashed."""
    entrypoint: str | None
    working_dir: str | None
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Suspend:
    """Worker to child: the server suspended this flow run; stop at the next step."""

    flow_run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Declined:
    """Child to worker: not started, because this process must not run it; use another."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Child to worker: the attempt is over and its process takes the next one."""

    exit_code: int
    """As `python -m prefect.engine` would have exited: 0, or 1 if it failed to conclude."""
    retiring: str | None = None
    """Why this process takes no further run, or None."""
    rss_bytes: int = 0
    """Resident memory after the run."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Worker to fork server: fork a child for the socket sent along with this message."""

    max_runs: int
    max_rss_bytes: int


@dataclass(frozen=True, slots=True)
class Forked:
    """Fork server to worker: the child asked for has this process id."""

    pid: int


@dataclass(frozen=True, slots=True)
class Exited:
    """Fork server to worker: a child is gone. Negative codes are signals."""

    pid: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class Preload:
    """Worker to fork server: import this module, so that children find it imported."""

    module: str


@dataclass(frozen=True, slots=True)
class Preloaded:
    """Fork server to worker: how importing went."""

    module: str
    problem: str | None = None
    """Why no child may be forked from this server any more, or None."""
    imported: bool = field(default=True)


Message = Run | Hooks | Suspend | Declined | Finished | Fork | Forked | Exited | Preload | Preloaded
_TYPES: dict[str, type[Message]] = {
    cls.__name__: cls
    for cls in (
        Run,
        Hooks,
        Suspend,
        Declined,
        Finished,
        Fork,
        Forked,
        Exited,
        Preload,
        Preloaded,
    )
}


def encode(message: Message) -> bytes:
    """Write one message as its frame."""
    body = json.dumps([type(message).__name__, asdict(message)]).encode()
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Message:
    """Read one message from the body of its frame."""
    name, fields = json.loads(body)
    if name == "Run":
        fields["related"] = tuple(
            RelatedName(**{**one, "tags": tuple(one["tags"])}) for one in fields["related"]
        )
    return _TYPES[name](**fields)


def send(sock: socket.socket, message: Message) -> None:
    """Send one message; blocks."""
    sock.sendall(encode(message))


def receive(sock: socket.socket) -> Message | None:
    """Receive one message; blocks. None means the other side is gone."""
    head = _receive_exactly(sock, _LENGTH.size)
    if head is None:
        return None
    body = _receive_exactly(sock, _LENGTH.unpack(head)[0])
    return None if body is None else decode(body)


def _receive_exactly(sock: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            chunk = sock.recv(size - len(data))
        except OSError:
            return None
        if not chunk:
            return None
        data += chunk
    return bytes(data)


async def read(reader: asyncio.StreamReader) -> Message | None:
    """Receive one message without blocking the loop. None means the other side is gone."""
    try:
        head = await reader.readexactly(_LENGTH.size)
        return decode(await reader.readexactly(_LENGTH.unpack(head)[0]))
    except (EOFError, OSError):
        return None
