// The published npm SDK, JSON and Protobuf, against the conformance example with `--profile js`.
// CONFORMANCE names its binary; it is started on a port of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';
import { Centrifuge as JsonCentrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';

const binary = process.env.CONFORMANCE;
if (!binary) throw new Error('CONFORMANCE must name the conformance binary');

let server;
let address;

before(async () => {
  server = spawn(binary, ['--profile', 'js', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(server.stdout), 'line');
  address = line.replace('listening on ', '');
});

after(() => server.kill());

function token(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', 'secret').update(signed).digest('base64url')}`;
}

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, resolve));
}

async function publishOverHttp(channel, data) {
  const response = await fetch(`http://${address}/api/publish`, {
    method: 'POST',
    headers: { 'X-API-Key': 'test-api-key' },
    body: JSON.stringify({ channel, data }),
  });
  return (await response.json()).result.offset;
}

const formats = {
  json: { Centrifuge: JsonCentrifuge, encode: (value) => value, decode: (data) => data },
  protobuf: {
    Centrifuge: ProtobufCentrifuge,
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (data) => JSON.parse(new TextDecoder().decode(data)),
  },
};

for (const [name, { Centrifuge, encode, decode }] of Object.entries(formats)) {
  describe(name, () => {
    const channel = (what) => `${what}-${name}`;

    async function connected(options = {}) {
      const client = new Centrifuge(`ws://${address}/connection/websocket`, {
        websocket: WebSocket,
        minReconnectDelay: 10,
        maxReconnectDelay: 50,
        ...options,
      });
      client.connect();
      await client.ready(5000);
      return client;
    }

    test('connects, subscribes, publishes and hears itself', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('chat'));
      const heard = event(sub, 'publication');
      sub.subscribe();
      await sub.ready(5000);
      await sub.publish(encode({ text: 'hi' }));
      const publication = await heard;
      assert.deepEqual(decode(publication.data), { text: 'hi' });
      assert.equal(publication.offset, 1);
      client.disconnect();
    });

    test('subscribes in the same frame as it connects', async () => {
      const client = new Centrifuge(`ws://${address}/connection/websocket`, { websocket: WebSocket });
      const sub = client.newSubscription(channel('optimistic'));
      sub.subscribe();
      client.connect();
      await sub.ready(5000);
      client.disconnect();
    });

    test('recovers what it missed after the connection broke', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('recovery:r'));
      const offsets = [];
      sub.on('publication', (publication) => offsets.push(publication.offset));
      sub.subscribe();
      await sub.ready(5000);
      await publishOverHttp(channel('recovery:r'), { n: 1 });
      const away = event(sub, 'subscribing');
      const back = event(sub, 'subscribed');
      // The server closes: a second `connect` is a protocol violation of the kind that lets the SDK come back only
      // when the application says so.
      client._transport.send(name === 'json' ? '{"id":9999,"connect":{}}' : new Uint8Array([5, 8, 143, 78, 34, 0]));
      await away;
      for (let n = 2; n <= 4; n += 1) await publishOverHttp(channel('recovery:r'), { n });
      client.connect();
      const context = await back;
      assert.equal(context.wasRecovering, true);
      assert.equal(context.recovered, true);
      await publishOverHttp(channel('recovery:r'), { n: 5 });
      while (offsets.length < 5) await event(sub, 'publication');
      assert.deepEqual(offsets, [1, 2, 3, 4, 5]);
      client.disconnect();
    });

    test('is told when what it missed is gone', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('smallhistory:s'));
      sub.subscribe();
      await sub.ready(5000);
      const left = event(client, 'disconnected');
      client.disconnect();
      await left;
      for (let n = 1; n <= 5; n += 1) await publishOverHttp(channel('smallhistory:s'), { n });
      const back = event(sub, 'subscribed');
      client.connect();
      const context = await back;
      assert.equal(context.wasRecovering, true);
      assert.equal(context.recovered, false);
      client.disconnect();
    });

    test('gets numbered errors', async () => {
      const client = await connected();
      await assert.rejects(client.rpc('method', encode({})), { code: 108 });
      const sub = client.newSubscription('unknown:namespace');
      sub.subscribe();
      const context = await event(sub, 'unsubscribed');
      assert.equal(context.code, 102);
      client.disconnect();
    });

    test('asks for history and presence', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('asked'));
      sub.subscribe();
      await sub.ready(5000);
      for (let n = 1; n <= 5; n += 1) await sub.publish(encode({ n }));
      const history = await sub.history({ limit: 3 });
      assert.deepEqual(history.publications.map((publication) => decode(publication.data).n), [1, 2, 3]);
      assert.equal(history.offset, 5);
      const since = { offset: 3, epoch: history.epoch };
      const rest = await sub.history({ limit: 10, since });
      assert.deepEqual(rest.publications.map((publication) => publication.offset), [4, 5]);
      const newest = await sub.history({ limit: 1, reverse: true });
      assert.deepEqual(newest.publications.map((publication) => publication.offset), [5]);
      await assert.rejects(sub.history({ limit: 1, since: { offset: 1, epoch: 'other' } }), { code: 112 });
      const stats = await sub.presenceStats();
      assert.deepEqual([stats.numClients, stats.numUsers], [1, 1]);
      const presence = await sub.presence();
      assert.equal(Object.keys(presence.clients).length, 1);
      client.disconnect();
    });

    test('refreshes its token on the live socket', async () => {
      let asked = 0;
      let refreshed;
      const done = new Promise((resolve) => (refreshed = resolve));
      const getToken = async () => {
        asked += 1;
        if (asked === 1) refreshed();
        return token({ sub: '42', exp: inSeconds(3600) });
      };
      const client = await connected({ token: token({ sub: '42', exp: inSeconds(2) }), getToken });
      let dropped = false;
      client.on('connecting', () => (dropped = true));
      await done;
      await assert.rejects(client.rpc('method', encode({})), { code: 108 });
      assert.equal(asked, 1);
      assert.equal(dropped, false);
      client.disconnect();
    });

    test('fetches a new token when the old one has expired', async () => {
      const getToken = async () => token({ sub: '42', exp: inSeconds(3600) });
      const client = await connected({ token: token({ sub: '42', exp: inSeconds(-10) }), getToken });
      client.disconnect();
    });

    test('stays away with a forged token', async () => {
      const client = new Centrifuge(`ws://${address}/connection/websocket`, { websocket: WebSocket, token: 'a.b.c' });
      client.connect();
      const context = await event(client, 'disconnected');
      assert.equal(context.code, 3500);
    });
  });
}
