// What is the same in every section: where one can go, whether the books add up, who is logged in, and the keys.

import { useEffect, useState } from "preact/hooks";
import { Mark } from "../ui/icons";
import { Audit } from "./Audit";
import { SECTIONS, type Console, type Section } from "./console";
import { Gifts } from "./Gifts";
import { Keys } from "./Keys";
import { Payments } from "./Payments";
import type { Staff } from "./protocol";
import { Users } from "./Users";
import { auditWords } from "./words";
import { Withdrawals } from "./Withdrawals";

const NAMES: Record<Section, string> = { withdrawals: "Withdrawals", users: "Corrections", gifts: "Gifts", payments: "Unmatched payments", audit: "Audit" };
/** Which role a section's changes need; none for what everybody of staff may see. */
const ROLES: Partial<Record<Section, string>> = { withdrawals: "finance", users: "finance", payments: "finance", gifts: "catalogue" };

export function Shell({ console, staff }: { console: Console; staff: Staff }) {
  const section = console.section.value;
  const [keys, setKeys] = useState(false);
  useEffect(() => {
    document.title = `${NAMES[section]} · Livehouse console`;
    history.replaceState(null, "", `#${section}`);
  }, [section]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const chosen = SECTIONS[Number(event.key) - 1];
      if (chosen) console.show(chosen);
      else if (event.key === "?") setKeys(true);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [console]);
  const role = ROLES[section];
  return (
    <div class="shell">
      <header>
        <p class="brand"><Mark />Livehouse <span>console</span></p>
        <AuditPill console={console} />
        <div class="me">
          <span title={`Roles: ${staff.roles.join(", ") || "none"}`}><b data-testid="staff">{staff.name}</b> <small>{staff.roles.join(", ")}</small></span>
          <button class="plain" type="button" onClick={() => setKeys(true)} aria-label="Keys" title="Keys (?)">?</button>
          <button class="plain" type="button" onClick={() => void console.logout()}>Log out</button>
        </div>
      </header>
      <nav aria-label="Sections">
        {SECTIONS.map((known, n) => (
          <button key={known} type="button" aria-current={known === section ? "page" : undefined} onClick={() => console.show(known)}>
            {NAMES[known]}<kbd aria-hidden="true">{n + 1}</kbd>
          </button>
        ))}
      </nav>
      <main id="section">
        {console.unreached.value && <p class="note bad strip" role="alert">The server does not answer. What you see may be old.</p>}
        <h1>{NAMES[section]}</h1>
        {role && !console.may(role)
          ? <p class="note">Your roles do not allow this section. It needs the role <b>{role}</b>.</p>
          : <SectionOf console={console} staff={staff} section={section} />}
      </main>
      {keys && <Keys close={() => setKeys(false)} />}
    </div>
  );
}

function SectionOf({ console, staff, section }: { console: Console; staff: Staff; section: Section }) {
  switch (section) {
    case "withdrawals": return <Withdrawals api={console.api} staff={staff} />;
    case "users": return <Users api={console.api} />;
    case "gifts": return <Gifts api={console.api} />;
    case "payments": return <Payments api={console.api} />;
    case "audit": return <Audit console={console} />;
  }
}

function AuditPill({ console }: { console: Console }) {
  const audit = console.audit.value;
  if (!audit) return <span class="pill" data-testid="audit-pill">Audit: no word yet</span>;
  return (
    <button class="pill" type="button" data-ok={audit.ok} data-testid="audit-pill" onClick={() => console.show("audit")}>
      <i aria-hidden="true">{audit.ok ? "✓" : "!"}</i>{auditWords(audit)}
    </button>
  );
}

export function isTyping(target: EventTarget | null): boolean {
  return (target instanceof HTMLInputElement && target.type !== "radio") || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
