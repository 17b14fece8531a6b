// Starts the page.

import { render } from "preact";
import { App } from "./live/app";
import { Root } from "./ui/Root";
import "./ui/base.css";
import "./ui/door.css";
import "./ui/lobby.css";
import "./ui/room.css";
import "./ui/stage.css";
import "./ui/gifts.css";
import "./ui/sheets.css";
import "./ui/money.css";
import "./ui/messages.css";

const app = new App();
const root = document.getElementById("app");
if (root) render(<Root app={app} />, root);
void app.start();
