// The login, or the console behind it.

import type { Console } from "./console";
import { Login } from "./Login";
import { Shell } from "./Shell";

export function Root({ console }: { console: Console }) {
  if (console.starting.value) return <p class="starting" role="status">Opening…</p>;
  return console.staff.value ? <Shell console={console} staff={console.staff.value} /> : <Login console={console} />;
}
