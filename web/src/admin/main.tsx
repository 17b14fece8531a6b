// Starts the console of staff.

// For its effect: components that read a signal are drawn again when it changes.
import "@preact/signals";
import { render } from "preact";
import { realClock } from "../live/clock";
import { Console, SECTIONS } from "./console";
import { Root } from "./Root";
import "./admin.css";

const staffConsole = new Console((input, init) => fetch(input, init), sessionStorage, realClock);
/** The address says which section is open. */
const follow = () => {
  const asked = SECTIONS.find((section) => `#${section}` === location.hash);
  if (asked) staffConsole.show(asked);
};
follow();
addEventListener("hashchange", follow);
const root = document.getElementById("console");
if (root) render(<Root console={staffConsole} />, root);
void staffConsole.start();
