import assert from "node:assert/strict";
import { test } from "node:test";
import { Wallet } from "../../src/live/wallet";

const none = { held: 0, debt: 0 };

test("the_newest_position_counts_whatever_arrives_last", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 10, coins: 100, tickets: 0, ...none }, false);
  wallet.answered(14, 90);
  wallet.seen({ position: 12, coins: 95, tickets: 0, ...none }, false);
  assert.equal(wallet.balance?.coins, 90);
});

test("an_old_answer_that_is_repeated_changes_nothing", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 20, coins: 50, tickets: 3, ...none }, false);
  wallet.answered(8, 70);
  assert.deepEqual(wallet.balance, { position: 20, coins: 50, tickets: 3, ...none });
});

test("a_balance_that_arrives_before_the_answer_does_not_take_the_price_twice", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 1, coins: 100, tickets: 0, ...none }, false);
  // A gift of 10 is on its way: the page shows 100 - 10. The publication with the price off comes first.
  wallet.seen({ position: 2, coins: 90, tickets: 0, ...none }, true);
  assert.equal(wallet.balance?.coins, 100);
  wallet.answered(2, 90);
  wallet.settle();
  assert.equal(wallet.balance?.coins, 90);
});

test("a_balance_held_back_counts_when_it_is_newer_than_the_answer", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 1, coins: 100, tickets: 0, ...none }, false);
  wallet.seen({ position: 3, coins: 1_090, tickets: 4, ...none }, true);
  wallet.seen({ position: 2, coins: 90, tickets: 0, ...none }, true);
  wallet.answered(2, 90);
  wallet.settle();
  assert.deepEqual(wallet.balance, { position: 3, coins: 1_090, tickets: 4, ...none });
});

test("an_answer_that_tells_only_coins_leaves_what_is_held_and_owed_as_it_was", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 1, coins: 100, tickets: 7, held: 5, debt: 3 }, false);
  wallet.answered(2, 90);
  assert.deepEqual(wallet.balance, { position: 2, coins: 90, tickets: 7, held: 5, debt: 3 });
});
