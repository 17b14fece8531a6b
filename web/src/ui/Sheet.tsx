// A modal sheet: from below on a phone, beside the chat on a desk. Escape, the backdrop and its own button close it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CloseSign } from "./icons";

export function Sheet({ title, head, close, children, kind }: {
  title: string; /** Stands in the title's place. */ head?: ComponentChildren; close: () => void; children: ComponentChildren; kind: string;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  return (
    <dialog class={`sheet ${kind}`} ref={dialog} aria-label={title} onClose={close}
      onClick={(event) => { if (event.target === dialog.current) dialog.current?.close(); }}>
      <div class="sheet-body">
        <header class="sheet-head">
          <h2>{head ?? title}</h2>
          <button class="icon-button" type="button" aria-label="Close" onClick={() => dialog.current?.close()}><CloseSign /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
