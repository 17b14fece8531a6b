// Notes to the user, read out politely.

import type { App } from "../live/app";
import { CloseSign } from "./icons";

export function NoticeList({ app }: { app: App }) {
  return (
    <div class="notices" role="status" aria-live="polite">
      {app.notices.list.value.map((notice) => (
        <div class="notice" key={notice.id}>
          <span>{notice.text}</span>
          {notice.coins && (
            <button class="link" type="button" onClick={() => { app.notices.dismiss(notice.id); app.openSheet("recharge"); }}>Get coins</button>
          )}
          <button class="icon-button" type="button" aria-label="Dismiss" onClick={() => app.notices.dismiss(notice.id)}>
            <CloseSign />
          </button>
        </div>
      ))}
    </div>
  );
}
