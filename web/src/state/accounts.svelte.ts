/** Hold the accounts that the page of accounts shows, and do the acts on them. */
import { get, post } from '../api/client.ts';
import type { AccountList, AccountRow, HeldRole, Secret } from '../api/access_schema.ts';
import type { Key } from '../i18n/index.ts';
import { areaOf, matching, refusal, roleTitle } from './account_list.ts';
import type { Page } from './page.svelte.ts';

/** A secret on screen: it is told once, and gone when its dialog closes. */
export interface Told {
  kind: 'password' | 'code' | 'token';
  name: string;
  secret: string;
  expiresS: number | null;
}

export interface Question {
  text: string;
  then: () => Promise<void>;
}

export class Accounts {
  list = $state.raw<AccountList | null>(null);
  error = $state('');
  search = $state('');
  chosen = $state<string | null>(null);
  making = $state(false);
  told = $state.raw<Told | null>(null);
  question = $state.raw<Question | null>(null);
  note = $state('');
  busy = $state(false);
  private noteTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get roles() {
    return this.list?.roles ?? [];
  }

  get rows(): AccountRow[] {
    return matching(this.list?.accounts ?? [], this.roles, this.search);
  }

  get row(): AccountRow | undefined {
    return this.list?.accounts.find((row) => row.name === this.chosen);
  }

  isSelf(row: AccountRow): boolean {
    return row.id === this.page.session.account?.id;
  }

  async read(): Promise<void> {
    try {
      this.list = await get<AccountList>('/api/accounts');
      this.error = '';
    } catch (problem) {
      this.error = this.why(problem);
    }
  }

  move(step: number): void {
    const { rows } = this;
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.name === this.chosen);
    this.chosen = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))].name;
  }

  /** Close the topmost thing; answers false where nothing was open. */
  close(): boolean {
    if (this.told) return true; // a secret that is shown once is not lost by a key: its own button closes it
    if (this.question) this.question = null;
    else if (this.making) this.making = false;
    else if (this.chosen) this.chosen = null;
    else return false;
    return true;
  }

  // ---- acts -----------------------------------------------------------------------------------

  async create(name: string, displayName: string, kind: AccountRow['kind']): Promise<void> {
    const low = name.trim().toLowerCase();
    const made = await post<Secret>('/api/accounts', { name: low, display_name: displayName, kind });
    this.making = false;
    this.search = '';
    await this.read();
    this.chosen = low;
    if (made.secret) this.tell('password', low, made);
    else this.say('did_created', low);
  }

  askClose(row: AccountRow): void {
    this.ask('closeAsk', [row.name], async () => {
      await post(`/api/accounts/${row.name}/disable`);
      this.say('did_closed', row.name);
    });
  }

  askReset(row: AccountRow): void {
    this.ask('resetAsk', [row.name], async () => this.tell('password', row.name, await post<Secret>(`/api/accounts/${row.name}/password`)));
  }

  askWithdraw(held: HeldRole): void {
    const { lang } = this.page;
    this.ask('withdrawAsk', [roleTitle(lang, this.roles, held.role), areaOf(lang, held)], async () => {
      await post(`/api/accounts/roles/${held.id}/withdraw`);
      this.say('did_withdrawn');
    });
  }

  reopen(row: AccountRow): Promise<void> {
    return this.act(async () => {
      await post(`/api/accounts/${row.name}/enable`);
      this.say('did_opened', row.name);
    });
  }

  credential(row: AccountRow): Promise<void> {
    return this.act(async () => this.tell(row.kind === 'kiosk' ? 'code' : 'token', row.name, await post<Secret>(`/api/accounts/${row.name}/credential`)));
  }

  /** Give a role; fails with the API's refusal, which the form shows where it stands. */
  async give(row: AccountRow, role: string, areaCode: string): Promise<void> {
    await post(`/api/accounts/${row.name}/roles`, { role, area_code: areaCode });
    this.say('did_given');
    await this.read();
  }

  why(problem: unknown): string {
    const key = refusal(problem);
    return key ? this.page.t(key) : this.page.failed(problem);
  }

  say(key: Key, ...args: string[]): void {
    this.tellNote(this.page.t(key, ...args));
  }

  private tell(kind: Told['kind'], name: string, made: Secret): void {
    if (made.secret) this.told = { kind, name, secret: made.secret, expiresS: made.expires_s };
  }

  private ask(key: Key, args: string[], then: () => Promise<void>): void {
    this.question = {
      text: this.page.t(key, ...args),
      then: () => {
        this.question = null;
        return this.act(then);
      },
    };
  }

  /** Do one act at a time, say what went wrong, and read the list anew either way. */
  private async act(then: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await then();
    } catch (problem) {
      this.tellNote(this.why(problem));
    }
    this.busy = false;
    await this.read();
  }

  private tellNote(text: string): void {
    this.note = text;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (this.note = ''), 6000);
  }
}
