/** Keep the session of a person who is there, and say when one is about to run out. */
import { ApiError, post } from '../api/client.ts';
import type { Remaining } from '../api/access_schema.ts';

/** That somebody did something is told the server at most this often, s; more often where sessions are short. */
const TELL_EVERY_S = 60;
/** So long before its end a session is spoken of, s. */
const WARN_S = 120;
const ASK_EVERY_S = 5;

const ACTS = ['pointerdown', 'pointermove', 'wheel', 'keydown'] as const;

/** Browsers make up moves of a pointer that lies still when what is under it changes: nobody did anything. */
export function isAct(event: { type: string; isTrusted: boolean; screenX?: number; screenY?: number }, last: { x: number; y: number }): boolean {
  if (!event.isTrusted) return false;
  if (event.type !== 'pointermove') return true;
  const { screenX: x = 0, screenY: y = 0 } = event;
  const moved = !Number.isNaN(last.x) && (x !== last.x || y !== last.y);
  last.x = x;
  last.y = y;
  return moved;
}

export class Idle {
  /** Seconds to the end of the session once that is near; null while it is not. */
  leftS = $state<number | null>(null);
  /** Whether doing something keeps it: nothing does at the end of its longest life. */
  canStay = $state(true);
  private endsAt = Infinity;
  private idleAt = Infinity;
  /** How long a session lasts without a person, s. */
  private whole = 0;
  private actedAt = -Infinity;
  private toldAt = -Infinity;
  private askedAt = -Infinity;
  private busy = false;
  private readonly ask: () => Promise<unknown>;
  private readonly now: () => number;

  /** `ask` asks the server how long is left, and hands the answer to `know`; it fails when the session is over. */
  constructor(ask: () => Promise<unknown>, now: () => number = () => Date.now() / 1000) {
    this.ask = ask;
    this.now = now;
  }

  /** Watch for what people do, until the function that is given back is called. */
  start(): () => void {
    const last = { x: NaN, y: NaN };
    const heard = (event: Event) => {
      if (isAct(event as PointerEvent, last)) this.acted();
    };
    for (const type of ACTS) window.addEventListener(type, heard, { capture: true, passive: true });
    const timer = setInterval(() => void this.tick(), 1000);
    return () => {
      for (const type of ACTS) window.removeEventListener(type, heard, { capture: true });
      clearInterval(timer);
    };
  }

  /** Take what the server says is left; null where no session ends by itself. */
  know(remaining: Remaining | null): void {
    const now = this.now();
    this.endsAt = remaining ? now + remaining.ends_s : Infinity;
    this.idleAt = remaining?.idle_s == null ? Infinity : now + remaining.idle_s;
    this.whole = remaining?.idle_after_s ?? 0;
    this.askedAt = now;
    this.show();
  }

  acted(): void {
    this.actedAt = this.now();
  }

  /** Keep the session now. */
  async stay(): Promise<void> {
    this.toldAt = this.now();
    this.know(await post<Remaining>('/api/account/active'));
  }

  /** Once a second: tell what was done since it was told last, ask again near the end, count down. */
  async tick(): Promise<void> {
    if (this.busy || this.idleAt === Infinity) return;
    const now = this.now();
    const tells = this.actedAt > this.toldAt && now - this.toldAt >= Math.min(TELL_EVERY_S, this.whole / 10);
    // another page of this browser may have kept it: nothing is shown before the server was asked
    const asks = this.near() && now - this.askedAt >= (this.left() <= 0 ? 1 : ASK_EVERY_S);
    if (!tells && !asks) {
      this.show();
      return;
    }
    this.busy = true;
    try {
      await (tells ? this.stay() : this.ask());
    } catch (problem) {
      // over, which the page has been told; without an answer it is asked again
      if (problem instanceof ApiError && problem.status === 401) this.know(null);
      this.askedAt = this.now();
      this.show();
    }
    this.busy = false;
  }

  private left(): number {
    return Math.min(this.endsAt, this.idleAt) - this.now();
  }

  private near(): boolean {
    return this.idleAt !== Infinity && this.left() <= Math.min(WARN_S, this.whole / 3);
  }

  private show(): void {
    this.leftS = this.near() ? Math.max(0, Math.ceil(this.left())) : null;
    this.canStay = this.idleAt <= this.endsAt;
  }
}
