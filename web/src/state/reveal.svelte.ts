/** Show who somebody is for a while, after a reason was given. */
import { ApiError, post } from '../api/client.ts';

/** Seconds after which what was revealed is masked again. */
export const SHOWN_S = 60;

export type Revealed = Record<string, unknown>;

export class Reveal {
  /** What the server told; null while all is masked. */
  told = $state.raw<Revealed | null>(null);
  leftS = $state(0);
  busy = $state(false);
  problem = $state<string | null>(null);
  private until = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  /** Grows when what is shown is dropped: an answer that comes later is not for this any more. */
  private turn = 0;

  async ask(path: string, reason: string): Promise<void> {
    if (this.busy || !reason.trim()) return;
    const turn = ++this.turn;
    this.busy = true;
    this.problem = null;
    try {
      const told = await post<Revealed>(path, { reason: reason.trim() });
      if (turn === this.turn) this.show(told);
    } catch (refused) {
      if (turn === this.turn) this.problem = refused instanceof ApiError ? [refused.detail, refused.hint].filter(Boolean).join(' · ') : String(refused);
    }
    if (turn === this.turn) this.busy = false;
  }

  /** Mask it again, at once. */
  hide(): void {
    this.turn += 1;
    clearInterval(this.timer);
    this.told = null;
    this.busy = false;
    this.leftS = 0;
  }

  private show(told: Revealed): void {
    this.told = told;
    this.until = Date.now() + SHOWN_S * 1000;
    this.leftS = SHOWN_S;
    clearInterval(this.timer);
    // by the clock: a page in the background is woken seldom
    this.timer = setInterval(() => {
      this.leftS = Math.max(0, Math.ceil((this.until - Date.now()) / 1000));
      if (!this.leftS) this.hide();
    }, 1000);
  }
}

/** Whether somebody wrote a whole Chinese phone number: a mobile one, or one with its area code. */
export function isPhone(text: string): boolean {
  const digits = text.normalize('NFKC').replace(/[\s()-]/g, '').replace(/^(?:\+|00)?86(?=[01])/, '');
  return /^(?:1[3-9][0-9]{9}|0[0-9]{9,11})$/.test(digits);
}
