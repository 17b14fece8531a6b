// The door: who is coming in?

import { useState } from "preact/hooks";
import type { App } from "../live/app";
import { Lights } from "./Lights";
import { Mark } from "./icons";

export function Door({ app }: { app: App }) {
  const demo = app.demo.value !== undefined;
  const [value, setValue] = useState(demo ? app.rememberedName : "");
  const [wrong, setWrong] = useState(false);
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const text = value.trim();
    setWrong(!app.enter(demo ? { user: text } : { token: text }));
  };
  return (
    <main class="door">
      <Lights heat={0.35} />
      <form class="door-stub" onSubmit={enter}>
        <p class="door-mark"><Mark />Livehouse</p>
        <h1>Doors are open.</h1>
        <label for="door-name">{demo ? "Your name tonight" : "Your access token"}</label>
        <div class="door-row">
          <input id="door-name" name="name" value={value} maxLength={demo ? 64 : 4096} autocomplete="nickname" autofocus
            spellcheck={false} aria-invalid={wrong} aria-describedby="door-help"
            onInput={(event) => { setValue(event.currentTarget.value); setWrong(false); }} />
          <button class="primary" type="submit">Come in</button>
        </div>
        <p id="door-help" class="door-help" data-wrong={wrong}>{help(demo, wrong)}</p>
      </form>
    </main>
  );
}

function help(demo: boolean, wrong: boolean): string {
  if (demo) return wrong ? "Use 1 to 64 letters, digits or . _ - @ and nothing else." : "Any name will do: this is a demo, and coins are free.";
  return wrong ? "This token names no user. Paste the whole token." : "Your platform's app usually fills this in for you.";
}
