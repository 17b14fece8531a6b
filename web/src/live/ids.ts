// Names that the client makes: of commands and combos. They must never repeat, not even after a reload.

/** A new id for a command or a combo: 22 characters from 128 random bits. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
}
