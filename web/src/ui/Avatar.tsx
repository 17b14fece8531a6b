// A user as a round initial in the user's colour.

import { hueOf, initialOf } from "./format";

export function Avatar({ user }: { user: string }) {
  return <span class="avatar" style={`--hue:${hueOf(user)}`} aria-hidden="true">{initialOf(user)}</span>;
}
