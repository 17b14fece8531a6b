// A list that goes on as one scrolls, with a heading for every day.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Listed, Pages } from "../live/money/pages";
import { day } from "./format";

interface Drawn<Entry> {
  pages: Pages<Entry>;
  testId: string;
  /** What is said when there is nothing. */
  empty: string;
  keyOf: (entry: Entry) => string | number;
  /** Unix ms. */
  timeOf: (entry: Entry) => number;
  draw: (entry: Entry) => ComponentChildren;
}

export function EndlessList<Entry>({ pages, testId, empty, keyOf, timeOf, draw }: Drawn<Entry>) {
  const { entries, state } = pages.listed.value;
  const now = Date.now();
  let lastDay = "";
  return (
    <div class="endless" tabIndex={0} role="region" aria-label={testId} data-testid={testId} data-state={state}>
      <ol>
        {entries.map((entry) => {
          const today = day(timeOf(entry), now);
          const heading = today === lastDay ? undefined : <h3>{today}</h3>;
          lastDay = today;
          return <li key={keyOf(entry)}>{heading}{draw(entry)}</li>;
        })}
      </ol>
      <End state={state} count={entries.length} empty={empty} more={() => void pages.more()} />
    </div>
  );
}

/** The list's foot: when it comes into sight, the next page is read. */
function End({ state, count, empty, more }: { state: Listed<unknown>["state"]; count: number; empty: string; more: () => void }) {
  const foot = useRef<HTMLParagraphElement>(null);
  const wanted = state === "more";
  useEffect(() => {
    if (!wanted || !foot.current) return;
    const observer = new IntersectionObserver(([seen]) => { if (seen?.isIntersecting) more(); }, { rootMargin: "200px" });
    observer.observe(foot.current);
    return () => observer.disconnect();
  }, [wanted, count]);
  return (
    <p class="endless-end" ref={foot} data-empty={count === 0} role="status">
      {state === "failed" ? <>This did not come. <button class="link" type="button" onClick={more}>Try again</button></> : wordsOf(state, count, empty)}
    </p>
  );
}

function wordsOf(state: Listed<unknown>["state"], count: number, empty: string): string {
  switch (state) {
    case "all": return count === 0 ? empty : "That is all.";
    case "full": return "What is older is not shown here.";
    default: return "Loading…";
  }
}
