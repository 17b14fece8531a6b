// Starts the console of staff.

import { render } from "preact";
import { realClock } from "../live/clock";
import { Console } from "./console";
import { Root } from "./Root";
import "./admin.css";

const staffConsole = new Console((input, init) => fetch(input, init), sessionStorage, realClock);
const root = document.getElementById("console");
if (root) render(<Root console={staffConsole} />, root);
void staffConsole.start();
