// Who of staff is this? The console has its own names and passwords; users' accounts do not open it.

import { useState } from "preact/hooks";
import { Mark } from "../ui/icons";
import type { Console } from "./console";
import { refusalWords } from "./words";

export function Login({ console }: { console: Console }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    const refused = await console.login(name.trim(), password);
    setBusy(false);
    if (refused === undefined) return;
    setPassword("");
    setWrong(refused === "unreached" ? "The server does not answer. Try again in a moment."
      : refused.status === 401 ? "Name or password are not right." : refusalWords(refused));
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <h1><Mark />Livehouse <span>console</span></h1>
        {console.loginEnded.value && !wrong && <p class="note" role="status">Your login has ended. Log in again to go on.</p>}
        <label>Name<input value={name} autocomplete="username" autofocus required spellcheck={false} maxLength={64} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <label>Password<input type="password" value={password} autocomplete="current-password" required maxLength={256} onInput={(event) => setPassword(event.currentTarget.value)} /></label>
        {wrong && <p class="note bad" role="alert">{wrong}</p>}
        <button class="main" type="submit" disabled={busy}>{busy ? "Logging in…" : "Log in"}</button>
      </form>
    </main>
  );
}
