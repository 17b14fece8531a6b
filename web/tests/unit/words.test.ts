import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Refusal } from "../../src/live/outbox";
import { userOfToken } from "../../src/live/tokens";
import { inWords } from "../../src/live/words";

const BUSY = 400;
const SETTLEMENT_GAP = 480;

test("a_refusal_that_the_page_does_not_know_keeps_the_servers_words_and_number", () => {
  assert.equal(inWords(new Refusal(1_234, "the moon is full")), "The moon is full (1234).");
});

test("a_token_names_its_user_and_rubbish_names_nobody", () => {
  const payload = btoa(JSON.stringify({ sub: "ann" }));
  assert.equal(userOfToken(`e30.${payload}.x`), "ann");
  for (const rubbish of ["", "a", "a.b.c", `e30.${btoa('{"sub":7}')}.x`]) assert.equal(userOfToken(rubbish), undefined);
});

test("every_refusal_of_the_server_has_words_of_the_pages_own", async () => {
  const protocol = await readFile(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const table = protocol.split("<!-- rejections:")[1]?.split("<!-- /rejections -->")[0] ?? "";
  const codes = [...table.matchAll(/^\| *`?(\d+)`? *\|(.*)$/gm)].map(([, code, rest]) => ({ code: Number(code), rest }));
  assert.ok(codes.length > 0, "docs/protocol.md lists the refusals");
  for (const { code, rest } of codes) {
    // Retried by itself, or never sent to a client: nobody needs words for it.
    if (code === BUSY || code === SETTLEMENT_GAP) continue;
    assert.ok(!inWords(new Refusal(code, "fallback")).includes("Fallback"), `no words for ${code}: ${rest}`);
  }
});
