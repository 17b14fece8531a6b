// What those in charge did, as one quiet sentence of the chat.

import type { OrderPublication } from "../live/protocol";
import { remaining, until } from "./format";

export function orderWords(order: OrderPublication): string {
  switch (order.type) {
    case "muted": return `${order.user} is muted until ${until(order.until)}`;
    case "unmuted": return `${order.user} may speak again`;
    case "kicked": return `${order.user} was sent out`;
    case "banned": return `${order.user} is banned`;
    case "unbanned": return `${order.user} may come in again`;
    case "moderator_added": return `${order.user} is a moderator now`;
    case "moderator_removed": return `${order.user} is no longer a moderator`;
    case "slow_mode": return order.seconds > 0 ? `Slow mode: one message every ${remaining(order.seconds * 1_000)}` : "Slow mode is off";
    case "followers_only": return order.on ? "Only followers may speak now" : "Everybody may speak again";
    case "notice": case "pinned": return order.text ?? "";
  }
}
