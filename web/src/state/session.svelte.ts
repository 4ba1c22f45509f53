/** Hold who is signed in, for every page. */
import { ApiError, get, post } from '../api/client.ts';
import type { Account } from '../api/access_schema.ts';
import { signInPath } from '../api/next_path.ts';

/** A browser that was made a wall screen stays on the wall when its session ends, to go on when it may. */
const SCREEN = 'screen';

export function isScreen(): boolean {
  return localStorage.getItem(SCREEN) === 'kiosk';
}

export function setScreen(kiosk: boolean): void {
  if (kiosk) localStorage.setItem(SCREEN, 'kiosk');
  else localStorage.removeItem(SCREEN);
}

export function toSignIn(): void {
  location.replace(signInPath(location));
}

export class Session {
  account = $state.raw<Account | null>(null);

  /** Read who is signed in; whoever must set a new password first is sent there. Fails as any question does. */
  async read(): Promise<Account> {
    const account = await get<Account>('/api/account');
    if (account.must_change_password) toSignIn();
    this.account = account;
    return account;
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
