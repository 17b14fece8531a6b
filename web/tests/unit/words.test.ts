import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "../../src/live/outbox";
import { userOfToken } from "../../src/live/tokens";
import { inWords } from "../../src/live/words";

test("a_refusal_that_the_page_does_not_know_keeps_the_servers_words_and_number", () => {
  assert.equal(inWords(new Refusal(1_234, "the moon is full")), "The moon is full (1234).");
});

test("a_token_names_its_user_and_rubbish_names_nobody", () => {
  const payload = btoa(JSON.stringify({ sub: "ann" }));
  assert.equal(userOfToken(`e30.${payload}.x`), "ann");
  for (const rubbish of ["", "a", "a.b.c", `e30.${btoa('{"sub":7}')}.x`]) assert.equal(userOfToken(rubbish), undefined);
});
