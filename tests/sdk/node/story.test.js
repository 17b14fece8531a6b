// The published npm SDK, JSON and Protobuf, against the real server: one gift seen from every side, and every refusal by
// its number.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Client, Log, Server, event, formats, inTime, newId } from './support.js';

const COINS = 1_000;

let server;
before(async () => {
  server = await Server.start();
});
after(() => server?.remove());

for (const [name, format] of Object.entries(formats)) {
  describe(name, () => {
    // Users of their own for each format: the balances are compared to the coin.
    const as = (user) => `${user}-${name}`;
    const STAR = as('star');
    const ROOM = `room:${STAR}`;
    let ann;
    let bob;
    let star;
    let spent = 0;

    before(async () => {
      [ann, bob, star] = await Promise.all(['ann', 'bob', 'star'].map((u) => Client.connect(server, format, as(u))));
      await server.grant(ann.user, COINS);
      await star.command('live.start', { title: 'a night' });
    });
    after(() => [ann, bob, star].forEach((client) => client?.leave()));

    async function refused(promise, code) {
      await assert.rejects(promise, (error) => {
        assert.equal(error.code, code, `${error.code}: ${error.message}`);
        assert.ok(error.message.length > 0);
        return true;
      });
    }

    const wallet = (client, position) => client.rpc('wallet.get', { min_position: position });

    /** Enters a channel for one test. */
    async function inside(t, client, channel) {
      const entered = await client.enter(channel);
      t.after(() => client.sdk.removeSubscription(entered.sub));
      return entered;
    }

    /** Coins as granted and spent so far. */
    async function coinsAreConserved(position) {
      const { coins, held } = await wallet(ann, position);
      assert.deepEqual([coins, held], [COINS - spent, 0]);
    }

    test('a_gift_is_acknowledged_seen_by_others_booked_and_on_the_board_at_one_position', async (t) => {
      const room = await inside(t, bob, ROOM);
      const answer = await ann.gift(STAR, 'rose', { count: 3 });
      spent += 30;
      assert.equal(answer.coins, COINS - spent);
      assert.ok(Number.isSafeInteger(answer.position));

      const seen = await room.log.find((p) => p.position === answer.position, 'bob sees the gift');
      assert.equal(seen.position, answer.position);
      assert.equal(seen.offset, answer.position);
      assert.deepEqual(
        [seen.user, seen.gift, seen.count, seen.coins, seen.tickets, seen.session],
        [ann.user, 'rose', 3, 30, 30, 1],
      );

      const booked = await wallet(ann, answer.position);
      assert.deepEqual([booked.coins, booked.position], [COINS - spent, answer.position]);
      const board = await bob.rpc('board.get', { board: ROOM });
      assert.deepEqual(board.entries, [{ rank: 1, user: ann.user, score: spent }]);
      assert.ok(board.position >= answer.position);
      assert.match(board.period, /^\d{4}-\d\d-\d\d$/);
      const own = await ann.own.find((p) => p.position === answer.position, "ann's balance");
      assert.deepEqual([own.type, own.channel, own.coins, own.offset], ['balance', `user:${ann.user}`, COINS - spent, answer.position]);
      const credited = await star.own.find((p) => p.tickets === spent, 'the tickets are credited');
      assert.equal(credited.type, 'balance');
      const earned = await wallet(star, credited.position);
      assert.equal(earned.tickets, spent);
    });

    test('a_retried_gift_is_charged_once_and_gets_the_first_answer', async () => {
      const gift = { command_id: newId(), room: STAR, gift: 'rose', count: 1 };
      const [first, meanwhile] = await Promise.all([ann.rpc('gift.send', gift), ann.rpc('gift.send', gift)]);
      spent += 10;
      await ann.gift(STAR, 'heart');
      spent += 1;
      const again = await ann.rpc('gift.send', gift);
      assert.deepEqual(meanwhile, first);
      assert.deepEqual(again, first);
      await refused(ann.rpc('gift.send', { ...gift, count: 2 }), 401);
      await refused(ann.rpc('follow.add', { command_id: gift.command_id, streamer: STAR }), 401);
      await coinsAreConserved(again.position);
    });

    test('a_combo_charges_every_tap_once_whatever_is_repeated_or_overtaken', async (t) => {
      const room = await inside(t, bob, ROOM);
      const id = newId();
      const tap = (total) => ann.gift(STAR, 'heart', { count: 0, combo: { id, total } });
      const totals = [];
      let last;
      for (const total of [3, 3, 7, 5, 10]) {
        last = await tap(total);
        totals.push([last.combo_total, COINS - spent - last.coins]);
      }
      assert.deepEqual(totals, [[3, 3], [3, 3], [7, 7], [7, 7], [10, 10]]);
      spent += 10;
      const end = await ann.command('gift.combo_end', { combo: id });
      assert.equal(end.combo_total, 10);
      const ended = await room.log.find((p) => p.type === 'combo_end', 'the combo ends');
      assert.deepEqual([ended.combo, ended.gift, ended.user], [{ id, total: 10 }, 'heart', ann.user]);
      const taps = room.log.items.filter((p) => p.type === 'gift' && p.combo?.id === id);
      assert.deepEqual(taps.map((p) => [p.count, p.combo.total]), [[3, 3], [4, 7], [3, 10]]);
      await refused(ann.gift('nobody', 'heart', { combo: { id: newId(), total: 1 } }), 413);
      await coinsAreConserved(end.position);
    });

    test('a_combo_belongs_to_one_gift', async () => {
      const id = newId();
      await ann.gift(STAR, 'heart', { combo: { id, total: 1 } });
      spent += 1;
      await refused(ann.gift(STAR, 'rose', { combo: { id, total: 2 } }), 415);
    });

    test('every_refusal_has_its_number_and_costs_nothing', async () => {
      await refused(ann.gift(STAR, 'castle'), 414);
      await refused(ann.gift(as('ann'), 'rose'), 412);
      await refused(ann.gift(as('nobody'), 'rose'), 413);
      await refused(ann.gift(STAR, 'no-such-gift'), 410);
      await refused(ann.gift(STAR, 'heart', { count: 0 }), 411);
      await refused(ann.gift(STAR, 'heart', { count: 10_000 }), 411);
      await refused(ann.rpc('gift.send', { room: STAR, gift: 'heart', count: 1 }), 404);
      await refused(ann.gift(STAR, 'heart', { command_id: '' }), 402);
      await refused(ann.gift('not an id', 'heart'), 403);
      await refused(ann.gift(STAR, 'heart', { count: 'one' }), 404);
      await refused(ann.command('gift.combo_end', { combo: newId() }), 418);
      await refused(star.command('live.start'), 440);
      await refused(ann.command('live.stop'), 441);
      await refused(ann.command('follow.add', { streamer: ann.user }), 430);
      await refused(ann.command('chat.send', { room: STAR, text: '' }), 405);
      await refused(ann.command('chat.send', { room: STAR, text: 'x'.repeat(10_000) }), 406);
      await refused(ann.rpc('room.list', { cursor: 'none of yours' }), 407);
      await refused(ann.rpc('room.list', { limit: 101 }), 408);
      await refused(ann.rpc('no.such.method'), 104);
      await coinsAreConserved(0);
    });

    test('a_refused_command_stays_refused', async () => {
      const gift = { command_id: newId(), room: as('late'), gift: 'heart', count: 1 };
      await refused(ann.rpc('gift.send', gift), 413);
      const late = await Client.connect(server, format, as('late'));
      await late.command('live.start', { title: 'at last' });
      await refused(ann.rpc('gift.send', gift), 413);
      await late.command('live.stop');
      late.leave();
    });

    test('a_follow_is_listed_on_both_sides_and_shows_who_is_live', async () => {
      const added = await ann.command('follow.add', { streamer: STAR });
      await wallet(ann, added.position);
      const following = await ann.rpc('follow.list');
      assert.deepEqual(following.users.map((entry) => entry.user), [STAR]);
      const live = await ann.rpc('follow.live');
      assert.deepEqual(live.rooms.map((entry) => [entry.room, entry.title]), [[STAR, 'a night']]);
      const followers = await bob.rpc('follower.list', { streamer: STAR });
      assert.deepEqual([followers.total, followers.users[0].user], [1, ann.user]);
      const removed = await ann.command('follow.remove', { streamer: STAR });
      await wallet(ann, removed.position);
      assert.deepEqual((await ann.rpc('follow.list', { min_position: removed.position })).users, []);
    });

    test('a_block_puts_out_for_good_until_it_is_taken_back', async (t) => {
      const host = await Client.connect(server, format, as('host'));
      const guest = await Client.connect(server, format, as('guest'));
      const room = `room:${host.user}`;
      await inside(t, guest, room);
      const blocked = await host.command('block.add', { user: guest.user });
      await refused(guest.command('follow.add', { streamer: host.user }), 434);
      await refused(guest.rpc('room.info', { room: host.user }), 434);
      const { relations } = await host.rpc('relation.get', { users: [guest.user], min_position: blocked.position });
      assert.deepEqual([relations[0].user, relations[0].blocked], [guest.user, true]);
      await host.command('block.remove', { user: guest.user });
      await guest.command('follow.add', { streamer: host.user });
      host.leave();
      guest.leave();
    });

    test('a_message_reaches_both_waits_for_an_answer_and_is_read', async () => {
      const lee = await Client.connect(server, format, as('lee'));
      const mia = await Client.connect(server, format, as('mia'));
      const write = (client, to, text) => client.command('message.send', { to, text });
      const sent = await write(lee, mia.user, 'hello 👋');
      assert.equal(sent.number, 1);
      for (const client of [lee, mia]) {
        const told = await client.own.find((p) => p.type === 'message', 'the message');
        assert.deepEqual(
          [told.position, told.offset, told.from, told.to, told.number, told.text],
          [sent.position, sent.position, lee.user, mia.user, 1, 'hello 👋'],
        );
      }
      await write(lee, mia.user, 'are you there?');
      await write(lee, mia.user, 'well then');
      await refused(write(lee, mia.user, 'once more'), 471);
      await refused(write(lee, lee.user, 'to myself'), 470);
      const read = await mia.command('message.read', { with: lee.user, upto: 2 });
      const mark = await lee.own.find((p) => p.type === 'message_read', 'the mark');
      assert.deepEqual([mark.position, mark.reader, mark.from, mark.upto], [read.position, mia.user, lee.user, 2]);
      const list = await mia.rpc('conversation.list', { min_position: read.position });
      const [line] = list.conversations;
      assert.deepEqual([line.with, line.unread, line.last.text, list.unread], [lee.user, 1, 'well then', 1]);
      const answered = await write(mia, lee.user, 'here I am');
      const thread = await lee.rpc('message.list', { with: mia.user, min_position: answered.position });
      assert.deepEqual(thread.messages.map((m) => m.text), ['here I am', 'well then', 'are you there?', 'hello 👋']);
      assert.deepEqual([thread.unread, thread.read_by], [1, 2]);
      lee.leave();
      mia.leave();
    });

    test('chat_is_seen_at_the_position_that_its_sender_was_told', async (t) => {
      const room = await inside(t, bob, ROOM);
      const said = await ann.command('chat.send', { room: STAR, text: 'good evening 🎤' });
      const seen = await room.log.find((p) => p.type === 'chat', 'the chat message');
      assert.deepEqual([seen.position, seen.offset, seen.user, seen.text], [said.position, said.position, ann.user, 'good evening 🎤']);
    });

    test('a_newcomer_is_shown_the_room_and_lists_name_it', async (t) => {
      const said = await ann.command('chat.send', { room: STAR, text: 'before you came' });
      await wallet(ann, said.position);
      const room = await inside(t, bob, ROOM);
      assert.equal(room.data.room, STAR);
      assert.deepEqual([room.data.live.title, room.data.live.session], ['a night', 1]);
      assert.deepEqual(room.data.top[0], { rank: 1, user: ann.user, score: spent });
      assert.equal(room.data.recent.at(-1).position, said.position);
      const info = await ann.rpc('room.info', { room: STAR });
      assert.deepEqual(info.recent, room.data.recent);
      assert.equal(info.tickets, spent);
      const { rooms } = await ann.rpc('room.list', { sort: 'new', limit: 100 });
      assert.ok(rooms.some((entry) => entry.room === STAR && entry.tickets === spent));
      const { gifts } = await ann.rpc('gift.catalog');
      assert.ok(gifts.some((gift) => gift.id === 'rose' && gift.coins === 10));

      const history = await room.sub.history({ limit: 2, reverse: true });
      assert.equal(history.publications[0].offset, said.position);
      assert.equal(history.publications.length, 2);
      const stats = await room.sub.presenceStats();
      assert.deepEqual([stats.numUsers, stats.numClients], [1, 1]);
      await refused(room.sub.presence(), 108);
      await refused(room.sub.publish(format.encode({ text: 'unasked' })), 108);
    });

    test('counters_and_boards_tell_their_newest_state_without_an_offset', async (t) => {
      const room = await inside(t, bob, ROOM);
      const board = await inside(t, bob, `board:${ROOM}`);
      assert.equal(board.data.type, 'board');
      await ann.gift(STAR, 'beer');
      spent += 66;
      const counters = await room.log.find((p) => p.type === 'counters' && p.tickets === spent, 'counters');
      assert.deepEqual([counters.viewers, counters.offset], [1, undefined]);
      const top = await board.log.find((p) => p.entries[0].score === spent, 'the board rises');
      assert.deepEqual([top.type, top.board, top.entries[0].user, top.offset], ['board', ROOM, ann.user, undefined]);
    });

    test('a_channel_that_is_not_there_or_not_ones_own_is_refused', async () => {
      for (const [channel, code] of [['nothing:x', 102], ['room:', 102], ['board:none', 102], [`user:${STAR}`, 103]]) {
        const sub = bob.sdk.newSubscription(channel);
        const gone = event(sub, 'unsubscribed');
        sub.subscribe();
        assert.equal((await gone).code, code, channel);
        bob.sdk.removeSubscription(sub);
      }
    });

    test('a_token_is_refreshed_on_the_live_socket', async () => {
      const asked = new Log();
      const getToken = async () => {
        asked.push('token');
        return server.signedToken(as('guest'), 3_600);
      };
      const token = await server.signedToken(as('guest'), 2);
      const guest = await Client.connect(server, format, as('guest'), { token, getToken });
      guest.sdk.on('connecting', () => asked.push('dropped'));
      await asked.until((items) => items.length > 0, 'the SDK asks for another token');
      await guest.rpc('wallet.get');
      assert.deepEqual(asked.items, ['token']);
      guest.leave();
    });

    test('an_expired_token_is_replaced_and_a_forged_one_is_final', async () => {
      const token = await server.signedToken(as('guest'), -60);
      const guest = await Client.connect(server, format, as('guest'), { token });
      assert.equal((await guest.rpc('wallet.get')).coins, 0);
      guest.leave();
      const forged = new Client(server, format, as('guest'), { token: `${await server.token('ann')}x` });
      const gone = event(forged.sdk, 'disconnected');
      forged.sdk.connect();
      assert.equal((await inTime(gone, 'the end')).code, 3500);
    });

    test('the_end_of_a_show_is_told_and_gifts_to_it_are_refused', async (t) => {
      const room = await inside(t, bob, ROOM);
      const stopped = await star.command('live.stop');
      const seen = await room.log.find((p) => p.type === 'live_ended', 'the end of the show');
      assert.deepEqual([seen.position, seen.session], [stopped.position, 1]);
      await refused(ann.gift(STAR, 'heart'), 413);
      const earned = await star.own.find((p) => p.tickets === spent, 'all tickets');
      assert.equal((await wallet(star, earned.position)).tickets, spent);
      await coinsAreConserved(stopped.position);
    });
  });
}
