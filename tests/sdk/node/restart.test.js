// A graceful restart in the middle of a show: everybody is told 3001, comes back by itself, and has seen every gift once and in
// order.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, Log, Server, formats, newId } from './support.js';

const WATCHERS_EACH = 10;
const GIFTS = 300;
/** The server is restarted when so many are acknowledged. */
const RESTART_AT = 100;

/** Sends gifts of one coin, one after the other; sends again, under the same id, what a restart left open. */
async function streamGifts(client, room, acknowledged) {
  while (acknowledged.items.length < GIFTS) {
    const gift = { command_id: newId(), room, gift: 'heart', count: 1 };
    for (let position; position === undefined; ) {
      try {
        ({ position } = await client.rpc('gift.send', gift));
        acknowledged.push(position);
      } catch (error) {
        // Below 100 are the SDK's own: no connection, or it broke before the answer came.
        if (error.code >= 100) throw error;
        await client.sdk.ready();
      }
    }
  }
}

test('nobody_misses_or_sees_twice_a_gift_over_a_graceful_restart', { timeout: 90_000 }, async () => {
  const server = await Server.start();
  const people = [];
  const enter = async (format, user) => {
    const client = await Client.connect(server, format, user);
    people.push(client);
    return client;
  };
  try {
    const [ann, star] = [await enter(formats.json, 'ann'), await enter(formats.protobuf, 'star')];
    await server.grant('ann', GIFTS);
    await star.command('live.start', { title: 'before and after' });
    const watchers = [];
    for (const [name, format] of Object.entries(formats)) {
      for (let n = 0; n < WATCHERS_EACH; n += 1) {
        const client = await enter(format, `watcher-${name}-${n}`);
        const { sub, log } = await client.enter('room:star');
        const watcher = { client, log, closes: [], returns: new Log() };
        client.sdk.on('connecting', ({ code }) => watcher.closes.push(code));
        sub.on('subscribed', (context) => watcher.returns.push(context));
        watchers.push(watcher);
      }
    }

    const acknowledged = new Log();
    const streamed = streamGifts(ann, 'star', acknowledged);
    await Promise.race([streamed, acknowledged.until((all) => all.length >= RESTART_AT, 'gifts before the restart')]);
    await server.stop();
    assert.ok(acknowledged.items.length < GIFTS, 'the restart came in the middle');
    await server.restart();
    await streamed;

    const positions = acknowledged.items;
    assert.equal(new Set(positions).size, GIFTS);
    for (const { client, log, closes, returns } of watchers) {
      const gifts = () => log.items.filter((publication) => publication.type === 'gift');
      await log.until(() => gifts().length >= GIFTS, `${client.user} has seen every gift`);
      assert.deepEqual(gifts().map((gift) => gift.position), positions, client.user);
      assert.equal(closes[0], 3001, client.user);
      const back = await returns.until(([first]) => first, `${client.user} is back`);
      assert.deepEqual([back.wasRecovering, back.recovered], [true, true], client.user);
    }
  } finally {
    people.forEach((client) => client.leave());
    await server.remove();
  }
});
