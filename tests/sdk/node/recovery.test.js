// kill -9 in the middle of a stream of gifts: the SDK comes back by itself, and what was acknowledged is seen exactly
// once, in order, by somebody who watched all the time.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Client, Log, Server, formats, newId } from './support.js';

const COINS = 10_000;
const GIFTS_EACH = 400;
const IN_FLIGHT_EACH = 8;
/** The server dies when so many of the gifts are acknowledged. */
const KILL_AT = [150, 450];

/** Sends gifts of one coin until all are acknowledged; sends again, under the same id, what a crash left open. */
async function streamGifts(client, room, acknowledged) {
  let left = GIFTS_EACH;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const gift = { command_id: newId(), room, gift: 'heart', count: 1 };
      acknowledged.push((await untilAnswered(client, gift)).position);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_EACH }, worker));
}

async function untilAnswered(client, gift) {
  for (;;) {
    try {
      return await client.rpc('gift.send', gift);
    } catch (error) {
      // Below 100 are the SDK's own: no connection, or it broke before the answer came.
      if (error.code >= 100) throw error;
      await client.sdk.ready();
    }
  }
}

for (const [name, format] of Object.entries(formats)) {
  describe(name, () => {
    test('every_acknowledged_gift_outlives_a_kill_and_is_seen_once_in_order', { timeout: 90_000 }, async () => {
      const server = await Server.start();
      const [ann, bob, eve, star] = await Promise.all(
        ['ann', 'bob', 'eve', 'star'].map((user) => Client.connect(server, format, user)),
      );
      try {
        const [annsGrant] = await Promise.all([ann, bob].map((client) => server.grant(client.user, COINS)));
        assert.equal(annsGrant.coins, COINS);
        await star.command('live.start', { title: 'a rough night' });
        const watched = await eve.enter('room:star');
        const returns = new Log();
        watched.sub.on('subscribed', (context) => returns.push(context));

        const acknowledged = new Log();
        const streams = Promise.all([ann, bob].map((client) => streamGifts(client, 'star', acknowledged)));
        for (const [kills, count] of KILL_AT.entries()) {
          await Promise.race([streams, acknowledged.until((all) => all.length >= count, `${count} gifts`)]);
          await server.kill();
          assert.ok(acknowledged.items.length < 2 * GIFTS_EACH, 'the kill came in the middle');
          await server.restart();
          const back = await returns.until((all) => all[kills], 'the watcher is back');
          assert.deepEqual([back.wasRecovering, back.recovered], [true, true]);
        }
        await streams;

        const given = 2 * GIFTS_EACH;
        const positions = acknowledged.items.toSorted((a, b) => a - b);
        assert.equal(new Set(positions).size, given);
        const gifts = () => watched.log.items.filter((publication) => publication.type === 'gift');
        await watched.log.until(() => gifts().length >= given, 'the watcher has seen every gift');
        assert.deepEqual(gifts().map((gift) => gift.position), positions);
        assert.deepEqual(gifts().map((gift) => gift.offset), positions);

        const last = positions.at(-1);
        for (const client of [ann, bob]) {
          const { coins } = await client.rpc('wallet.get', { min_position: last });
          assert.equal(coins, COINS - GIFTS_EACH);
        }
        const earned = await star.own.find((balance) => balance.tickets === given, 'every ticket is credited');
        const { tickets } = await star.rpc('wallet.get', { min_position: earned.position });
        assert.equal(tickets, given);
        const { entries } = await eve.rpc('board.get', { board: 'room:star' });
        assert.deepEqual(entries.map((entry) => entry.score), [GIFTS_EACH, GIFTS_EACH]);
        assert.equal(returns.items.length, KILL_AT.length);
      } finally {
        for (const client of [ann, bob, eve, star]) client.leave();
        await server.remove();
      }
    });
  });
}
