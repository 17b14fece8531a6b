// What is the same everywhere: the house's name, the purse, who one is, and the state of the connection.

import type { App } from "../live/app";
import type { Connection, Session } from "../live/session";
import { compact, exact } from "./format";
import { CoinSign, Mark, MessageSign, PlusSign } from "./icons";
import { Avatar } from "./Avatar";

export function TopBar({ app, session }: { app: App; session: Session }) {
  return (
    <header class="top-bar">
      <a class="wordmark" href={`/?user=${encodeURIComponent(session.user)}`} aria-label="Livehouse, to the lobby"
        onClick={(event) => { event.preventDefault(); app.openLobby(); }}>
        <Mark /><span>Livehouse</span>
      </a>
      <ConnectionState session={session} />
      <div class="top-bar-end">
        <MessagesButton app={app} session={session} />
        <Purse app={app} session={session} />
        <button class="who" type="button" title="Leave and enter as somebody else" onClick={() => app.leave()}>
          <Avatar user={session.user} /><span class="who-name">{session.user}</span>
        </button>
      </div>
    </header>
  );
}

/** Opens the messages, and says how many are unread. */
function MessagesButton({ app, session }: { app: App; session: Session }) {
  const unread = session.messages.unread.value;
  return (
    <button class="messages-button" type="button" onClick={() => app.openMessages()} title="Messages" data-testid="messages-button" data-unread={unread}
      aria-label={unread > 0 ? `Messages, ${exact(unread)} unread` : "Messages"}>
      <MessageSign />{unread > 0 && <span class="badge" aria-hidden="true">{unread > 99 ? "99+" : unread}</span>}
    </button>
  );
}

/** Coins left, with the price of taps that are still on their way taken off. It opens the wallet; the plus buys more. */
export function Purse({ app, session }: { app: App; session: Session }) {
  const purse = session.purse.value;
  return (
    <div class="purse">
      <button class="purse-open" type="button" onClick={() => app.openSheet("wallet")} title="Your wallet"
        aria-label={purse ? `Wallet: ${exact(purse.coins)} coins${purse.debt > 0 ? `, ${exact(purse.debt)} owed` : ""}` : "Wallet"}>
        <CoinSign />
        <span class="purse-coins" data-testid="coins" data-position={purse?.position} data-pending={purse?.pending}>
          {purse ? exact(purse.coins) : "···"}
        </span>
        {purse !== undefined && purse.debt > 0 && <span class="purse-debt" data-testid="owed">{compact(purse.debt)} owed</span>}
      </button>
      <button class="purse-add" type="button" onClick={() => app.openSheet("recharge")} aria-label="Get coins" title="Get coins"><PlusSign /></button>
    </div>
  );
}

export function ConnectionState({ session }: { session: Session }) {
  const connection = session.connection.value;
  const waiting = session.waiting.value;
  const words = wordsOf(connection);
  const late = connection.state === "reconnecting" && waiting > 0;
  return (
    <div class="connection" role="status" data-state={connection.state} data-waiting={waiting} data-testid="connection">
      {words && <span class="connection-words"><i class="connection-dot" />{words}{late && <span class="connection-waiting"> {waiting} on the way</span>}</span>}
      {connection.state === "refused" && (
        <button class="link" type="button" onClick={() => session.connect()}>Connect again</button>
      )}
    </div>
  );
}

function wordsOf(connection: Connection): string {
  switch (connection.state) {
    case "online": return "";
    case "connecting": return "Connecting…";
    case "reconnecting": return "Reconnecting…";
    case "refused": return `Disconnected: ${connection.why}`;
  }
}
