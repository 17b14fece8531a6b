// Private messages: with whom one writes, and the open conversation; side by side on a desk, one after the other on a phone.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../live/app";
import { MESSAGE_TEXT_CHARS_MAX } from "../live/limits";
import type { Thread } from "../live/messages";
import { ID_PATTERN, type ConversationLine, type Message } from "../live/protocol";
import type { Session } from "../live/session";
import { Avatar } from "./Avatar";
import { compact, day, moment, timeOfDay } from "./format";
import { BackSign, CheckSign, ClockSign, MessageSign, SendSign } from "./icons";
import { Sheet } from "./Sheet";

export function MessagesSheet({ app, session }: { app: App; session: Session }) {
  const { messages } = session;
  useEffect(() => { void messages.conversations.open(); return () => messages.close(); }, [messages]);
  const thread = messages.thread.value;
  return (
    <Sheet title="Messages" close={() => app.closeSheet()} kind="messages-sheet">
      <div class="messages" data-testid="messages" data-open={thread ? "yes" : "no"}>
        <Conversations session={session} chosen={thread?.other} />
        {thread ? <Conversation key={thread.other} session={session} thread={thread} /> : <Nobody />}
      </div>
    </Sheet>
  );
}

function Nobody() {
  return <div class="nobody"><MessageSign /><p>Choose a conversation, or write to somebody by name.</p></div>;
}

function Conversations({ session, chosen }: { session: Session; chosen: string | undefined }) {
  const { conversations } = session.messages;
  const { entries, state } = conversations.listed.value;
  const empty = entries.length === 0;
  return (
    <div class="conversations">
      <WriteTo session={session} />
      <ul data-testid="conversations" data-state={state}>
        {entries.map((line) => <Line key={line.with} line={line} session={session} chosen={line.with === chosen} />)}
      </ul>
      {state === "failed" && <p class="list-end">This did not come. <button class="link" type="button" onClick={() => void conversations.more()}>Try again</button></p>}
      {state === "more" && <button class="link list-end" type="button" onClick={() => void conversations.more()}>Show older conversations</button>}
      {state === "all" && empty && <p class="list-end empty-list">Nobody has written yet. Say hello to somebody.</p>}
    </div>
  );
}

function WriteTo({ session }: { session: Session }) {
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState("");
  const open = (event: SubmitEvent) => {
    event.preventDefault();
    const other = name.trim();
    if (!other) return;
    if (!ID_PATTERN.test(other)) return setWrong("A name is 1 to 64 letters, digits or . _ - @");
    if (other === session.user) return setWrong("That is you.");
    setName("");
    session.messages.open(other);
  };
  return (
    <form class="write-to" onSubmit={open}>
      <label class="hidden" for="write-to">Write to somebody by name</label>
      <input id="write-to" value={name} maxLength={64} placeholder="Write to…" autocomplete="off" spellcheck={false} aria-describedby="write-to-wrong"
        onInput={(event) => { setName(event.currentTarget.value); setWrong(""); }} />
      <button class="quiet" type="submit" disabled={!name.trim()}>Open</button>
      <p id="write-to-wrong" role="alert">{wrong}</p>
    </form>
  );
}

function Line({ line, session, chosen }: { line: ConversationLine; session: Session; chosen: boolean }) {
  const { with: other, last, unread } = line;
  const today = day(last.time, Date.now());
  return (
    <li>
      <button class="conversation" type="button" aria-current={chosen} data-with={other} data-unread={unread} onClick={() => session.messages.open(other)}>
        <Avatar user={other} />
        <span class="conversation-words">
          <b>{other}</b>
          <small>{last.from === session.user && <span class="mine">You: </span>}{last.text}</small>
        </span>
        <span class="conversation-end">
          <time dateTime={new Date(last.time).toISOString()}>{today === "Today" ? timeOfDay(last.time) : today}</time>
          {unread > 0 && <span class="badge">{compact(unread)}<span class="hidden"> unread</span></span>}
        </span>
      </button>
    </li>
  );
}

function Conversation({ session, thread }: { session: Session; thread: Thread }) {
  const shown = thread.shown.value;
  const outgoing = thread.outgoing.value;
  const list = useRef<HTMLDivElement>(null);
  const newest = shown.at(-1)?.position;
  useEffect(() => { if (document.visibilityState === "visible") thread.look(); }, [thread, newest]);
  useEffect(() => {
    const looked = () => { if (document.visibilityState === "visible") thread.look(); };
    document.addEventListener("visibilitychange", looked);
    return () => document.removeEventListener("visibilitychange", looked);
  }, [thread]);
  useLayoutEffect(() => { if (list.current) list.current.scrollTop = list.current.scrollHeight; }, [newest, outgoing.length]);
  return (
    <section class="thread" aria-label={`Messages with ${thread.other}`} data-testid="thread" data-with={thread.other} data-state={thread.state.value}>
      <header class="thread-head">
        <button class="icon-button" type="button" aria-label="All conversations" onClick={() => session.messages.close()}><BackSign /></button>
        <Avatar user={thread.other} /><b>{thread.other}</b>
      </header>
      <div class="thread-lines" ref={list} role="log" tabIndex={0} aria-label={`What you and ${thread.other} wrote`}>
        <Older thread={thread} none={shown.length === 0 && outgoing.length === 0} />
        <ol>
          {shown.map((message, at) => (
            <Bubble key={message.position} message={message} before={shown[at - 1]} mine={message.from === session.user} readBy={thread.readBy.value} />
          ))}
          {outgoing.map(({ id, text }) => (
            <li key={`o${id}`} class="bubble" data-mine="true" data-state="waiting"><p>{text}</p><small><ClockSign /><span class="hidden">On its way</span></small></li>
          ))}
        </ol>
      </div>
      <ThreadComposer thread={thread} />
    </section>
  );
}

function Older({ thread, none }: { thread: Thread; none: boolean }) {
  switch (thread.state.value) {
    case "reading": return <p class="list-end" role="status">Loading…</p>;
    case "failed": return <p class="list-end">This did not come. <button class="link" type="button" onClick={() => void thread.more()}>Try again</button></p>;
    case "more": return <button class="link list-end" type="button" onClick={() => void thread.more()}>Show older messages</button>;
    case "all": return none ? <p class="list-end first-word">You and {thread.other} have not written yet. Until they answer, or you follow each other, three messages may wait.</p> : null;
  }
}

/** The mark stands under the last message that was read: the others are before it. */
function Bubble({ message: { position, time, number, text }, before, mine, readBy }: {
  message: Message; before: Message | undefined; mine: boolean; readBy: number;
}) {
  const now = Date.now();
  const today = day(time, now);
  const heading = before && day(before.time, now) === today ? undefined : <h3>{today}</h3>;
  return (
    <>
      {heading && <li class="thread-day">{heading}</li>}
      <li class="bubble" data-mine={mine} data-number={number} data-position={position} data-read={mine && number <= readBy}>
        <p>{text}</p>
        <small>
          <time dateTime={new Date(time).toISOString()} title={moment(time)}>{timeOfDay(time)}</time>
          {mine && number === readBy && <span class="seen"><CheckSign />Read</span>}
        </small>
      </li>
    </>
  );
}

function ThreadComposer({ thread }: { thread: Thread }) {
  const [text, setText] = useState("");
  const returned = thread.returned.value;
  useEffect(() => {
    if (returned === undefined) return;
    // What was refused is not lost: it is there again, unless something else was written meanwhile.
    setText((now) => now || returned);
    thread.takeBack();
  }, [returned, thread]);
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const said = text.trim();
    if (!said) return;
    thread.send(said);
    setText("");
  };
  const refused = thread.refused.value;
  return (
    <form class="composer" onSubmit={send}>
      {refused && <p class="refused" role="alert" data-testid="refused">{refused}</p>}
      <label class="hidden" for="write">Write to {thread.other}</label>
      <input id="write" value={text} maxLength={MESSAGE_TEXT_CHARS_MAX} placeholder={`Write to ${thread.other}`} autocomplete="off" enterkeyhint="send"
        onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" aria-label="Send" disabled={!text.trim()}><SendSign /></button>
    </form>
  );
}
