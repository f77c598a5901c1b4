"""Messages arrive as they were sent."""

from __future__ import annotations

import asyncio
import socket

import pytest

from duckherd.worker import protocol

MESSAGES = [
    protocol.Run("{}", "a.b", None, {"A": "1"}, related=(protocol.RelatedName("flow", "1", "f"),)),
    protocol.Hooks("{}", "{}", None, "/tmp", {}),
    protocol.Suspend("id", "{}"),
    protocol.Declined("changed"),
    protocol.Finished(0, "old", 5),
    protocol.Fork(1, 2),
    protocol.Forked(7),
    protocol.Exited(7, -9),
    protocol.Preload("json"),
    protocol.Preloaded("json", "threads"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_journey(message: protocol.Message) -> None:
    """What is received equals what was sent, and the end of the stream is None."""
    left, right = socket.socketpair()
    with left, right:
        protocol.send(left, message)
        assert protocol.receive(right) == message
        left.close()
        assert protocol.receive(right) is None


def test_messages_are_read_without_blocking() -> None:
    """Several frames in one packet come apart again."""

    async def read_all() -> list[protocol.Message | None]:
        reader = asyncio.StreamReader()
        for message in MESSAGES:
            reader.feed_data(protocol.encode(message))
        reader.feed_eof()
        return [await protocol.read(reader) for _ in range(len(MESSAGES) + 1)]

    assert asyncio.run(read_all()) == [*MESSAGES, None]
