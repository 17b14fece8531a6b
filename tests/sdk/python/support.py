"""The real server as a child process, and clients of it with the published SDK in both of its formats.

SERVER_BIN names the server's binary.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import urllib.request
import uuid

from centrifuge import (
    Client,
    ClientDisconnectedError,
    ClientEventHandler,
    OperationTimeoutError,
    SubscriptionEventHandler,
)

PATIENCE_SECONDS = 20


def new_id():
    """A command id that nobody used before."""
    return str(uuid.uuid4())


class Server:
    """A running `livehouse demo --no-crowd` on a data directory of its own."""

    def __init__(self):
        self._data = tempfile.TemporaryDirectory(prefix="livehouse-sdk-")
        self._listen = "127.0.0.1:0"
        self.restart()

    def restart(self):
        """Starts on the same data and the same port, and waits until it serves."""
        arguments = ["demo", "--no-crowd", "--data", self._data.name, "--listen", self._listen]
        self._child = subprocess.Popen([os.environ["SERVER_BIN"], *arguments], stdout=subprocess.PIPE, text=True)
        line = self._child.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the server ended with {self._child.wait()}")
        self.address = self._listen = line.removeprefix("http://").removesuffix("/")

    def kill(self):
        """kill -9: no farewell, no flush."""
        self._child.kill()
        self._child.wait()
        self._child.stdout.close()

    def remove(self):
        """Kills it and removes its data."""
        self.kill()
        self._data.cleanup()

    async def _ask(self, path, method="GET"):
        def ask():
            request = urllib.request.Request(f"http://{self.address}{path}", method=method)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)

        return await asyncio.to_thread(ask)

    async def token(self, user):
        return (await self._ask(f"/dev/token?user={user}"))["token"]

    async def grant(self, user, coins):
        return await self._ask(f"/dev/grant?user={user}&coins={coins}", "POST")


class Log:
    """What arrived so far; can be waited on."""

    def __init__(self):
        self.items = []
        self._changed = asyncio.Condition()

    async def push(self, item):
        async with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    async def until(self, predicate):
        """Waits until the predicate holds of everything that arrived; returns what it returned."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            return await self._changed.wait_for(lambda: predicate(self.items))

    async def find(self, predicate):
        return await self.until(lambda items: next(filter(predicate, items), None))


class _OwnChannel(ClientEventHandler):
    def __init__(self, viewer):
        self.viewer = viewer

    async def on_publication(self, ctx):
        await self.viewer.own.push((ctx.pub.offset, self.viewer.decode(ctx.pub.data)))


class Room(SubscriptionEventHandler):
    """A channel that somebody entered."""

    def __init__(self, viewer):
        self.viewer = viewer
        self.publications = Log()
        self.entered = Log()
        self.left = Log()

    async def on_subscribed(self, ctx):
        await self.entered.push(ctx)

    async def on_unsubscribed(self, ctx):
        await self.left.push(ctx)

    async def on_publication(self, ctx):
        await self.publications.push((ctx.pub.offset, self.viewer.decode(ctx.pub.data)))

    def gifts(self):
        """Offset and publication of every gift so far."""
        return [(offset, data) for offset, data in self.publications.items if data["type"] == "gift"]


class Viewer:
    """One user's connection."""

    def __init__(self, server, user, use_protobuf):
        self.user = user
        self.use_protobuf = use_protobuf
        self.own = Log()
        self.client = Client(
            f"ws://{server.address}/connection/websocket",
            events=_OwnChannel(self),
            get_token=lambda: server.token(user),
            use_protobuf=use_protobuf,
            min_reconnect_delay=0.02,
            max_reconnect_delay=0.2,
            proxy=None,
        )

    async def connect(self):
        await self.client.connect()
        await self.client.ready()
        return self

    def encode(self, value):
        return json.dumps(value).encode() if self.use_protobuf else value

    def decode(self, data):
        return json.loads(data) if self.use_protobuf else data

    async def rpc(self, method, **data):
        """One call; raises `ReplyError` with the server's number."""
        return self.decode((await self.client.rpc(method, self.encode(data))).data)

    async def command(self, method, **data):
        """A command under a new id, sent again under the same id until it is answered."""
        data = {"command_id": new_id(), **data}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await self.rpc(method, **data)
                except (ClientDisconnectedError, OperationTimeoutError):
                    # The answer is lost with its connection; the SDK is making another.
                    await self.client.ready()

    async def gift(self, room, gift, count=1, **more):
        return await self.command("gift.send", room=room, gift=gift, count=count, **more)

    async def enter(self, channel):
        room = Room(self)
        await self.client.new_subscription(channel, events=room).subscribe()
        return room
