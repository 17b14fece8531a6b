import assert from "node:assert/strict";
import { test } from "node:test";
import { afterDebt, feeOf, hindrance, quote, typedCount } from "../../src/live/money/amounts";
import type { WithdrawTerms } from "../../src/live/protocol";
import { money } from "../../src/ui/format";

const TERMS: WithdrawTerms = {
  currency: "CNY", minor_per_ticket: 10, fee_per_mille: 50, tickets_min: 100, tickets_max: 1_000_000, two_approvals_from: 100_000,
};

test("the_fee_is_the_servers_rounded_up_and_never_more_than_there_is", () => {
  for (const [tickets, perMille, fee] of [[100, 50, 5], [101, 50, 6], [119, 50, 6], [120, 50, 6], [121, 50, 7], [1, 1, 1], [7, 1_000, 7], [999, 0, 0]] as const) {
    assert.equal(feeOf({ ...TERMS, fee_per_mille: perMille }, tickets), fee, `${tickets} at ${perMille}`);
  }
});

test("the_fee_of_the_largest_account_is_exact", () => {
  const most = 2 ** 52;
  for (const perMille of [1, 33, 50, 999]) {
    const exact = (BigInt(most) * BigInt(perMille) + 999n) / 1_000n;
    assert.equal(BigInt(feeOf({ ...TERMS, fee_per_mille: perMille }, most)), exact);
  }
});

test("a_quote_says_what_is_paid_and_how_many_have_to_approve", () => {
  assert.deepEqual(quote(TERMS, 120_000), { fee: 6_000, pays: 1_140_000, approvals: 2 });
  assert.deepEqual(quote(TERMS, 99_999), { fee: 5_000, pays: 949_990, approvals: 1 });
});

test("what_hinders_a_withdrawal_is_told_in_the_order_of_what_to_mend_first", () => {
  const purse = { tickets: 500, debt: 0 };
  assert.equal(hindrance(TERMS, 500, { ...purse, debt: 1 }), "debt");
  assert.equal(hindrance(TERMS, Number.NaN, purse), "nothing");
  assert.equal(hindrance(TERMS, 0, purse), "nothing");
  assert.equal(hindrance(TERMS, 99, purse), "below");
  assert.equal(hindrance(TERMS, 1_000_001, { ...purse, tickets: 9_000_000 }), "above");
  assert.equal(hindrance(TERMS, 501, purse), "short");
  assert.equal(hindrance(TERMS, 500, purse), undefined);
});

test("a_number_is_read_as_people_type_it_and_nothing_else_is_a_number", () => {
  for (const text of ["120000", "120,000", "120 000", " 120_000 "]) assert.equal(typedCount(text), 120_000, text);
  for (const text of ["", "-5", "1.5", "1e5", "all", "99999999999999999"]) assert.ok(Number.isNaN(typedCount(text)), text);
});

test("a_recharge_pays_the_debt_first", () => {
  assert.deepEqual(afterDebt(1_000, 200), { paysDebt: 200, left: 800 });
  assert.deepEqual(afterDebt(1_000, 5_000), { paysDebt: 1_000, left: 0 });
  assert.deepEqual(afterDebt(1_000, 0), { paysDebt: 0, left: 1_000 });
});

test("money_is_shown_in_its_own_units", () => {
  assert.equal(money(114_000, "CNY"), "¥1,140.00");
  assert.equal(money(114_000, "CNY", "code"), "CNY\u00a01,140.00");
  assert.equal(money(500, "JPY"), "¥500");
  assert.equal(money(1, "USD"), "$0.01");
  assert.equal(money(7, "not a currency"), "7 (minor units of not a currency)");
});
