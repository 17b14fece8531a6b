// The published npm SDK where WebSocket is blocked: an HTTP stream or server-sent events, and `/emulation`.
// CONFORMANCE names the conformance binary; it is started on a port of its own, behind a proxy that can cut connections.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';

import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { Centrifuge as JsonCentrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';

const binary = process.env.CONFORMANCE;
if (!binary) throw new Error('CONFORMANCE must name the conformance binary');

let server;
let direct;
let proxy;
let address;
const lines = new Set();

/** Every connection through the proxy is gone at once. */
function cut() {
  for (const line of lines) line.destroy();
}

before(async () => {
  server = spawn(binary, ['--profile', 'js', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(server.stdout), 'line');
  direct = line.replace('listening on ', '');
  const [host, port] = direct.split(':');
  proxy = net.createServer((near) => {
    const far = net.connect(Number(port), host);
    for (const [one, other] of [[near, far], [far, near]]) {
      lines.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        lines.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  address = `127.0.0.1:${proxy.address().port}`;
});

after(() => {
  cut();
  proxy.close();
  server.kill();
});

function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, resolve));
}

async function publishOverHttp(channel, data) {
  const response = await fetch(`http://${direct}/api/publish`, {
    method: 'POST',
    headers: { 'X-API-Key': 'test-api-key' },
    body: JSON.stringify({ channel, data }),
  });
  return (await response.json()).result.offset;
}

const json = { encode: (value) => value, decode: (data) => data };
const protobuf = {
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (data) => JSON.parse(new TextDecoder().decode(data)),
};

for (const { name, Centrifuge, transport, encode, decode } of [
  { name: 'http_stream, JSON', Centrifuge: JsonCentrifuge, transport: 'http_stream', ...json },
  { name: 'http_stream, Protobuf', Centrifuge: ProtobufCentrifuge, transport: 'http_stream', ...protobuf },
  { name: 'server-sent events', Centrifuge: JsonCentrifuge, transport: 'sse', ...json },
]) {
  describe(name, () => {
    const channel = (what) => `${what}-${name.replace(/\W+/g, '-')}`;

    async function connected() {
      const transports = [
        // Nobody listens there.
        { transport: 'websocket', endpoint: 'ws://127.0.0.1:1/connection/websocket' },
        { transport, endpoint: `http://${address}/connection/${transport}` },
      ];
      const client = new Centrifuge(transports, {
        websocket: WebSocket,
        eventsource: EventSource,
        emulationEndpoint: `http://${address}/emulation`,
        minReconnectDelay: 10,
        maxReconnectDelay: 50,
      });
      const opened = event(client, 'connected');
      client.connect();
      const context = await opened;
      assert.equal(context.transport, transport);
      return client;
    }

    test('connects, subscribes, publishes and hears itself', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('chat'));
      const heard = event(sub, 'publication');
      sub.subscribe();
      await sub.ready(5000);
      await sub.publish(encode({ text: 'a "quoted" line\n and ünïcode' }));
      const publication = await heard;
      assert.deepEqual(decode(publication.data), { text: 'a "quoted" line\n and ünïcode' });
      assert.equal(publication.offset, 1);
      client.disconnect();
    });

    test('is answered, refusals included', async () => {
      const client = await connected();
      await assert.rejects(client.rpc('method', encode({})), { code: 108 });
      const stats = client.newSubscription(channel('stats'));
      stats.subscribe();
      await stats.ready(5000);
      assert.equal((await stats.presenceStats()).numClients, 1);
      client.disconnect();
    });

    test('recovers what it missed after the connection broke, in order and once', async () => {
      const client = await connected();
      const sub = client.newSubscription(channel('recovery:r'));
      const offsets = [];
      sub.on('publication', (publication) => offsets.push(publication.offset));
      sub.subscribe();
      await sub.ready(5000);
      await publishOverHttp(channel('recovery:r'), { n: 1 });
      while (offsets.length < 1) await event(sub, 'publication');
      const away = event(sub, 'subscribing');
      const back = event(sub, 'subscribed');
      cut();
      await away;
      for (let n = 2; n <= 4; n += 1) await publishOverHttp(channel('recovery:r'), { n });
      const context = await back;
      assert.deepEqual([context.wasRecovering, context.recovered], [true, true]);
      await publishOverHttp(channel('recovery:r'), { n: 5 });
      while (offsets.length < 5) await event(sub, 'publication');
      assert.deepEqual(offsets, [1, 2, 3, 4, 5]);
      client.disconnect();
    });

    test('leaves at once when it disconnects', async () => {
      const watcher = await connected();
      const leaver = await connected();
      const [watched, left] = [watcher, leaver].map((client) => client.newSubscription(channel('who')));
      for (const sub of [watched, left]) {
        sub.subscribe();
        await sub.ready(5000);
      }
      assert.equal((await watched.presenceStats()).numClients, 2);
      leaver.disconnect();
      const deadline = Date.now() + 5000;
      while ((await watched.presenceStats()).numClients !== 1) {
        assert.ok(Date.now() < deadline, 'the server still counts who has gone');
      }
      watcher.disconnect();
    });

    test('is told why it is sent away', async () => {
      const client = await connected();
      const gone = event(client, 'disconnected');
      // A second `connect` is a violation of the protocol.
      const twice = name.includes('Protobuf') ? new Uint8Array([5, 8, 143, 78, 34, 0]) : '{"id":9999,"connect":{}}';
      client._transport.send(twice, client._session, client._node);
      assert.equal((await gone).code, 3501);
    });
  });
}

test('a stream of another run of the server is unknown: SDKs begin anew', async () => {
  const answer = await fetch(`http://${direct}/emulation`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ session: crypto.randomUUID(), node: crypto.randomUUID(), data: '{}' }),
  });
  assert.equal(answer.status, 404);
});
