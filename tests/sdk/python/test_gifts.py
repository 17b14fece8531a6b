"""One gift seen from every side, and a stream of gifts through kill -9: the published Python SDK, JSON and Protobuf."""

import asyncio
import unittest

from centrifuge import ReplyError

from support import Log, Server, Viewer, new_id

COINS = 5_000
GIFTS_EACH = 200
IN_FLIGHT_EACH = 8
KILL_AT = 120


class GiftStory:
    """The promises; a class below for each format. The users are new in each test: so is the server."""

    use_protobuf = None

    async def asyncSetUp(self):
        self.server = await asyncio.to_thread(Server)
        self.addCleanup(self.server.remove)
        self.ann, self.bob, self.eve, self.star = await asyncio.gather(
            *(Viewer(self.server, user, self.use_protobuf).connect() for user in ("ann", "bob", "eve", "star"))
        )
        for viewer in (self.ann, self.bob, self.eve, self.star):
            self.addAsyncCleanup(viewer.client.disconnect)
        await self.server.grant("ann", COINS)
        await self.server.grant("bob", COINS)
        started = await self.star.command("live.start", title="a night")
        await self.star.rpc("wallet.get", min_position=started["position"])

    async def refused(self, code, call):
        with self.assertRaises(ReplyError) as caught:
            await call
        self.assertEqual(caught.exception.code, code, caught.exception)

    async def coins(self, viewer, position):
        return (await viewer.rpc("wallet.get", min_position=position))["coins"]

    async def test_a_gift_is_acknowledged_seen_by_others_booked_and_on_the_board_at_one_position(self):
        room = await self.eve.enter("room:star")
        entered = await room.entered.find(lambda _: True)
        self.assertEqual(self.eve.decode(entered.data)["live"]["title"], "a night")
        answer = await self.ann.gift("star", "rose", 3)
        position = answer["position"]
        self.assertEqual(answer["coins"], COINS - 30)

        offset, seen = await room.publications.find(lambda item: item[1]["type"] == "gift")
        self.assertEqual((offset, seen["position"]), (position, position))
        self.assertEqual(
            (seen["user"], seen["gift"], seen["count"], seen["coins"], seen["tickets"]), ("ann", "rose", 3, 30, 30)
        )
        self.assertEqual(await self.coins(self.ann, position), COINS - 30)
        board = await self.bob.rpc("board.get", board="room:star")
        self.assertEqual(board["entries"], [{"rank": 1, "user": "ann", "score": 30}])
        self.assertGreaterEqual(board["position"], position)
        offset, own = await self.ann.own.find(lambda item: item[0] == position)
        self.assertEqual((own["type"], own["coins"]), ("balance", COINS - 30))
        offset, earned = await self.star.own.find(lambda item: item[1]["tickets"] == 30)
        wallet = await self.star.rpc("wallet.get", min_position=offset)
        self.assertEqual((wallet["tickets"], wallet["position"]), (30, offset))

    async def test_a_retried_gift_is_charged_once_and_a_combo_counts_every_tap_once(self):
        gift = {"command_id": new_id(), "room": "star", "gift": "rose", "count": 1}
        first = await self.ann.rpc("gift.send", **gift)
        again = await self.ann.rpc("gift.send", **gift)
        self.assertEqual(again, first)
        await self.refused(401, self.ann.rpc("gift.send", **{**gift, "count": 2}))
        combo = new_id()
        totals = []
        for total in (2, 2, 6, 4):
            answer = await self.ann.gift("star", "heart", 0, combo={"id": combo, "total": total})
            totals.append((answer["combo_total"], COINS - 10 - answer["coins"]))
        self.assertEqual(totals, [(2, 2), (2, 2), (6, 6), (6, 6)])

    async def test_every_refusal_has_its_number_and_costs_nothing(self):
        ann = self.ann
        await self.refused(414, self.eve.gift("star", "heart"))
        await self.refused(413, ann.gift("bob", "heart"))
        await self.refused(412, ann.gift("ann", "heart"))
        await self.refused(411, ann.gift("star", "heart", 0))
        await self.refused(411, ann.gift("star", "heart", 10_000))
        await self.refused(410, ann.gift("star", "no-such-gift"))
        await self.refused(404, ann.rpc("gift.send", room="star"))
        await self.refused(104, ann.rpc("no.such.method"))
        await self.refused(108, ann.client.publish("room:star", ann.encode({"text": "unasked"})))
        for channel, code in (("nothing:x", 102), ("user:bob", 103)):
            room = await ann.enter(channel)
            self.assertEqual((await room.left.find(lambda _: True)).code, code)
        self.assertEqual(await self.coins(ann, 0), COINS)

    async def stream_gifts(self, viewer, acknowledged):
        left = iter(range(GIFTS_EACH))

        async def worker():
            for _ in left:
                await acknowledged.push((await viewer.gift("star", "heart"))["position"])

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT_EACH)))

    async def test_every_acknowledged_gift_outlives_a_kill_and_is_seen_once_in_order(self):
        room = await self.eve.enter("room:star")
        await room.entered.find(lambda _: True)
        acknowledged = Log()
        streams = asyncio.gather(*(self.stream_gifts(viewer, acknowledged) for viewer in (self.ann, self.bob)))
        await acknowledged.until(lambda positions: len(positions) >= KILL_AT)
        self.server.kill()
        self.assertLess(len(acknowledged.items), 2 * GIFTS_EACH, "the kill came in the middle")
        await asyncio.to_thread(self.server.restart)
        await streams

        positions = sorted(acknowledged.items)
        self.assertEqual(len(set(positions)), 2 * GIFTS_EACH)
        await room.publications.until(lambda _: len(room.gifts()) >= 2 * GIFTS_EACH)
        self.assertEqual([offset for offset, _ in room.gifts()], positions)
        self.assertEqual([gift["position"] for _, gift in room.gifts()], positions)
        back = room.entered.items[1:]
        self.assertEqual([(ctx.was_recovering, ctx.recovered) for ctx in back], [(True, True)])

        for viewer in (self.ann, self.bob):
            self.assertEqual(await self.coins(viewer, positions[-1]), COINS - GIFTS_EACH)
        await self.star.own.find(lambda item: item[1]["tickets"] == 2 * GIFTS_EACH)
        board = await self.eve.rpc("board.get", board="room:star")
        self.assertEqual([entry["score"] for entry in board["entries"]], [GIFTS_EACH, GIFTS_EACH])


class Json(GiftStory, unittest.IsolatedAsyncioTestCase):
    use_protobuf = False


class Protobuf(GiftStory, unittest.IsolatedAsyncioTestCase):
    use_protobuf = True


if __name__ == "__main__":
    unittest.main()
