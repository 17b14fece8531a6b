// What the console knows: who is logged in, which section is open, and what the standing audit says.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Clock, Cancel } from "../live/clock";
import { Api, Denied, type Store } from "./api";
import type { AuditState, LoginAnswer, Staff } from "./protocol";

export const SECTIONS = ["withdrawals", "users", "gifts", "payments", "audit"] as const;
export type Section = (typeof SECTIONS)[number];

/** How often the audit's state is asked for. */
const AUDIT_ASK_MS = 5_000;

export class Console {
  readonly api: Api;
  readonly #staff: Signal<Staff | undefined> = signal(undefined);
  readonly #starting: Signal<boolean> = signal(true);
  readonly #section: Signal<Section> = signal("withdrawals");
  readonly #audit: Signal<AuditState | undefined> = signal(undefined);
  readonly #unreached: Signal<boolean> = signal(false);
  readonly #ended: Signal<boolean> = signal(false);
  #cancelAudit: Cancel | undefined;

  constructor(fetch: typeof globalThis.fetch, store: Store, private readonly clock: Clock) {
    this.api = new Api(fetch, store, () => this.#close(true));
  }

  get staff(): ReadonlySignal<Staff | undefined> { return this.#staff; }
  /** Whether it is not known yet if somebody is logged in. */
  get starting(): ReadonlySignal<boolean> { return this.#starting; }
  get section(): ReadonlySignal<Section> { return this.#section; }
  get audit(): ReadonlySignal<AuditState | undefined> { return this.#audit; }
  /** Whether the server did not answer last. */
  get unreached(): ReadonlySignal<boolean> { return this.#unreached; }
  /** Whether a login ended by itself. */
  get loginEnded(): ReadonlySignal<boolean> { return this.#ended; }

  /** Goes on with the login of before, if it still counts. */
  async start(): Promise<void> {
    if (this.api.isLoggedIn) {
      const staff = await this.api.read<Staff>("/me").catch(() => undefined);
      if (staff) this.#open(staff);
    }
    this.#starting.value = false;
  }

  /** Resolves with the refusal, if there is one. */
  async login(name: string, password: string): Promise<Denied | "unreached" | undefined> {
    try {
      const { roles, expires, ...answer } = await this.api.login<LoginAnswer>(name, password);
      this.#open({ name: answer.name ?? name, roles, expires });
      return undefined;
    } catch (cause) {
      return cause instanceof Denied ? cause : "unreached";
    }
  }

  async logout(): Promise<void> {
    this.#close(false);
    await this.api.logout();
  }

  show(section: Section): void {
    this.#section.value = section;
  }

  may(role: string): boolean {
    return this.#staff.value?.roles.includes(role) ?? false;
  }

  #open(staff: Staff): void {
    batch(() => {
      this.#ended.value = false;
      this.#staff.value = staff;
    });
    void this.#watchAudit();
  }

  #close(byItself: boolean): void {
    this.#cancelAudit?.();
    batch(() => {
      this.#ended.value = byItself;
      this.#staff.value = undefined;
      this.#audit.value = undefined;
    });
  }

  async #watchAudit(): Promise<void> {
    try {
      this.#audit.value = await this.api.read<AuditState>("/audit");
      this.#unreached.value = false;
    } catch (cause) {
      this.#unreached.value = !(cause instanceof Denied);
    }
    if (this.#staff.value) this.#cancelAudit = this.clock.after(AUDIT_ASK_MS, () => void this.#watchAudit());
  }
}
