import assert from "node:assert/strict";
import { test } from "node:test";
import { Wallet } from "../../src/live/wallet";

test("the_newest_position_counts_whatever_arrives_last", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 10, coins: 100, tickets: 0 }, false);
  wallet.answered(14, 90);
  wallet.seen({ position: 12, coins: 95, tickets: 0 }, false);
  assert.equal(wallet.balance?.coins, 90);
});

test("an_old_answer_that_is_repeated_changes_nothing", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 20, coins: 50, tickets: 3 }, false);
  wallet.answered(8, 70);
  assert.deepEqual(wallet.balance, { position: 20, coins: 50, tickets: 3 });
});

test("a_balance_that_arrives_before_the_answer_does_not_take_the_price_twice", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 1, coins: 100, tickets: 0 }, false);
  // A gift of 10 is on its way: the page shows 100 - 10. The publication with the price off comes first.
  wallet.seen({ position: 2, coins: 90, tickets: 0 }, true);
  assert.equal(wallet.balance?.coins, 100);
  wallet.answered(2, 90);
  wallet.settle();
  assert.equal(wallet.balance?.coins, 90);
});

test("a_balance_held_back_counts_when_it_is_newer_than_the_answer", () => {
  const wallet = new Wallet();
  wallet.seen({ position: 1, coins: 100, tickets: 0 }, false);
  wallet.seen({ position: 3, coins: 1_090, tickets: 4 }, true);
  wallet.seen({ position: 2, coins: 90, tickets: 0 }, true);
  wallet.answered(2, 90);
  wallet.settle();
  assert.deepEqual(wallet.balance, { position: 3, coins: 1_090, tickets: 4 });
});
