/** Hold who is signed in, for every page. */
import { ApiError, get, nobody, post } from '../api/client.ts';
import type { Account, SessionAnswer } from '../api/access_schema.ts';
import { signInPath } from '../api/next_path.ts';
import { Idle } from './idle.svelte.ts';

/** A browser that was made a wall screen stays on the wall when its session ends, to go on when it may. */
const SCREEN = 'screen';

export function isScreen(): boolean {
  return localStorage.getItem(SCREEN) === 'kiosk';
}

export function setScreen(kiosk: boolean): void {
  if (kiosk) localStorage.setItem(SCREEN, 'kiosk');
  else localStorage.removeItem(SCREEN);
}

const SIGNED_IN = 'signed-in';

/** Tell the other pages of this browser that somebody signed in. */
export function tellSignedIn(): void {
  localStorage.setItem(SIGNED_IN, String(Date.now()));
}

/** Hear when somebody signs in at another page of this browser; gives back what ends the hearing. */
export function onSignedIn(then: () => void): () => void {
  const heard = (event: StorageEvent) => {
    if (event.key === SIGNED_IN) then();
  };
  window.addEventListener('storage', heard);
  return () => window.removeEventListener('storage', heard);
}

export function toSignIn(): void {
  location.replace(signInPath(location));
}

export class Session {
  account = $state.raw<Account | null>(null);
  readonly idle = new Idle(() => this.ask());

  /** Read who is signed in; whoever must set a new password first is sent there. Fails as any question does. */
  async read(): Promise<Account> {
    const account = (await this.ask()).account!;
    if (account.must_change_password) toSignIn();
    this.account = account;
    return account;
  }

  /** Ask who is signed in and for how long; with nobody the page is told, and it fails. */
  private async ask(): Promise<SessionAnswer> {
    const answer = await get<SessionAnswer>('/api/session');
    if (!answer.account) throw nobody();
    this.idle.know(answer.remaining);
    return answer;
  }

  may(act: string): boolean {
    return this.account?.acts.includes(act) ?? false;
  }

  reads(data: string): boolean {
    return this.account?.reads.includes(data) ?? false;
  }

  get kiosk(): boolean {
    return this.account?.kind === 'kiosk';
  }

  async signOut(): Promise<void> {
    try {
      await post('/api/sign-out');
    } catch (problem) {
      // with no session left we are where we wanted to be
      if (!(problem instanceof ApiError && problem.status === 401)) throw problem;
    }
    location.replace('/sign-in');
  }
}
