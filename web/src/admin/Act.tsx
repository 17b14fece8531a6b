// One change, before it is made: what exactly will happen, what has to be said, and what became of it. The wish keeps its
// command id until the server has answered.

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { Intent } from "./intent";
import { Modal } from "./Modal";
import { refusalWords } from "./words";

export interface Field {
  name: string;
  label: string;
  value?: string;
  hint?: string;
  charsMax: number;
  /** Numbers are typed right-aligned and with the number keys. */
  number?: boolean;
}

export type Values = Readonly<Record<string, string>>;

interface Shown<Answer> {
  title: string;
  facts: readonly (readonly [string, ComponentChildren])[];
  fields?: readonly Field[];
  /** Words for the button. */
  confirm: string;
  grave?: boolean;
  /** What is wrong with the values; undefined when they can be sent. */
  check?: (values: Values) => string | undefined;
  send: (commandId: string, values: Values) => Promise<Answer>;
  done: (answer: Answer) => void;
  close: () => void;
}

export function Act<Answer>({ title, facts, fields = [], confirm, grave = false, check, send, done, close }: Shown<Answer>) {
  const [values, setValues] = useState<Values>(() => Object.fromEntries(fields.map(({ name, value = "" }) => [name, value])));
  const [wrong, setWrong] = useState<string | undefined>(undefined);
  const newest = useRef(values);
  newest.current = values;
  const intent = useMemo(() => new Intent<Answer>((id) => send(id, newest.current)), []);
  const state = intent.state.value;
  const locked = state.at === "sending" || state.at === "unsure";
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const mistake = check?.(values);
    setWrong(mistake);
    if (mistake) return;
    const after = await intent.run();
    if (after.at === "done") {
      done(after.answer);
      close();
    }
  };
  return (
    <Modal title={title} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
        {fields.map((field, n) => (
          <label key={field.name}>{field.label}
            <input name={field.name} value={values[field.name]} maxLength={field.charsMax} disabled={locked} autocomplete="off" autofocus={n === 0}
              {...(field.number ? { inputMode: "numeric" as const, class: "number" } : {})}
              onInput={(event) => { const { value } = event.currentTarget; setValues((now) => ({ ...now, [field.name]: value })); setWrong(undefined); }} />
            {field.hint && <small>{field.hint}</small>}
          </label>
        ))}
        {wrong && <p class="note bad" role="alert">{wrong}</p>}
        {state.at === "refused" && !wrong && (
          <p class="note bad" role="alert" data-testid="refused" data-code={state.denied.code}><b>{state.denied.code}</b> {refusalWords(state.denied)}</p>
        )}
        {state.at === "unsure" && (
          <p class="note" role="alert" data-testid="unsure">No answer came: it may have been done or not. <b>Try again</b> repeats this same request, and it has its effect once.</p>
        )}
        <div class="ways">
          <button class="plain" type="button" onClick={close}>{state.at === "unsure" ? "Leave it" : "Cancel"}</button>
          <button class={grave ? "main grave" : "main"} type="submit" disabled={state.at === "sending"} autofocus={fields.length === 0}>
            {state.at === "sending" ? "Sending…" : state.at === "unsure" ? "Try again" : confirm}
          </button>
        </div>
      </form>
    </Modal>
  );
}
