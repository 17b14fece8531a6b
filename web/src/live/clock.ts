// Time as an argument: the logic asks this, so that tests can turn the hands themselves.

/** Stops what was to happen later. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds; only differences mean anything. */
  now(): number;
  /** Unix milliseconds, for times that the server names. */
  unix(): number;
  /** Calls back once, after so many milliseconds. */
  after(delayMs: number, callback: () => void): Cancel;
}

export const realClock: Clock = {
  now: () => performance.now(),
  unix: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
