"""The process warm processes are forked from: imports, starts no thread, forks.

Forking copies a process that has imported everything in milliseconds, where a new
interpreter needs seconds for `import prefect`. It is only safe while no other thread
runs, so this module reads one socket and waits for children, nothing else.

Started by `fork_client` as `python -m duckherd.worker.fork_server FD`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field

from duckherd.worker import protocol
from duckherd.worker.code_version import ImportedCode

_LENGTH = struct.Struct(">I")


@dataclass
class _ForkServer:
    control: socket.socket
    code: ImportedCode = field(default_factory=ImportedCode)
    buffer: bytearray = field(default_factory=bytearray)
    sockets: list[socket.socket] = field(default_factory=list)
    children: set[int] = field(default_factory=set)
    listening: bool = True


@dataclass(frozen=True)
class _Birth:
    """What a freshly forked child needs to know."""

    sock: socket.socket
    order: protocol.Fork


def main() -> None:
    """Serve until the worker closes the control socket and the last child is gone."""
    import prefect.main  # noqa: F401

    import duckherd.worker.child  # imports Prefect, once for all children

    server = _ForkServer(socket.socket(fileno=int(sys.argv[1])))
    server.code.record()
    gc.collect()
    gc.freeze()  # the collector of a child need not touch, and so copy, these pages
    birth = _serve(server)
    if birth is not None:
        gc.enable()
        duckherd.worker.child.serve(
            birth.sock, server.code, birth.order.max_runs, birth.order.max_rss_bytes
        )


def _serve(server: _ForkServer) -> _Birth | None:
    """Handle requests and deaths. Returns in each child its birth, in the server None."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(server.control, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while server.listening or server.children:
            for key, _ in selector.select():
                if key.fd == wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
                elif not _receive(server):
                    selector.unregister(server.control)
            birth = _answer(server)
            if birth is not None:
                _leave_server(wake, woken)
                return birth
            _reap(server)
    return None


def _receive(server: _ForkServer) -> bool:
    data, descriptors, _, _ = socket.recv_fds(server.control, 65536, 16)
    server.sockets += [socket.socket(fileno=descriptor) for descriptor in descriptors]
    server.buffer += data
    server.listening = bool(data)
    return server.listening


def _answer(server: _ForkServer) -> _Birth | None:
    while len(server.buffer) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(server.buffer)[0]
        if len(server.buffer) < end:
            return None
        message = protocol.decode(bytes(server.buffer[_LENGTH.size : end]))
        del server.buffer[:end]
        if isinstance(message, protocol.Preload):
            protocol.send(server.control, _preload(server, message.module))
        elif isinstance(message, protocol.Fork):
            birth = _fork(server, message)
            if birth is not None:
                return birth
    return None


def _fork(server: _ForkServer, order: protocol.Fork) -> _Birth | None:
    sock = server.sockets.pop(0)
    pid = os.fork()
    if pid == 0:
        server.control.close()
        for other in server.sockets:
            other.close()
        return _Birth(sock, order)
    sock.close()
    server.children.add(pid)
    protocol.send(server.control, protocol.Forked(pid))
    return None


def _leave_server(*pipe: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in pipe:
        os.close(descriptor)


def _reap(server: _ForkServer) -> None:
    for pid in list(server.children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            continue
        server.children.discard(pid)
        with contextlib.suppress(OSError):
            protocol.send(server.control, protocol.Exited(pid, os.waitstatus_to_exitcode(status)))


def _preload(server: _ForkServer, module: str) -> protocol.Preloaded:
    sockets = _open_sockets()
    server.code.begin()
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001
        return protocol.Preloaded(module, imported=False, problem=f"importing it raised {error!r}")
    server.code.record()
    if _thread_count() > 1:
        return protocol.Preloaded(module, problem="importing it started threads")
    if _open_sockets() - sockets:
        return protocol.Preloaded(module, problem="importing it opened connections")
    return protocol.Preloaded(module)


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return threading.active_count()


def _open_sockets() -> set[str]:
    """The sockets this process has open, as far as the system tells."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
                if target.startswith("socket:"):
                    found.add(target)
    return found


if __name__ == "__main__":
    main()
