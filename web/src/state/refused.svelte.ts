/** Hold what waits in the quarantine of one way in, and take it again. */
import { get, post } from '../api/client.ts';
import type { RefusedDetail, RefusedPage, RefusedRow, Replayed } from '../api/sources_schema.ts';
import { number } from '../i18n/index.ts';
import type { Page } from './page.svelte.ts';
import { reasonWord } from './source_words.ts';

const ROWS = 50;

/** What is counted by reason is the newest of these, as docs/ingest.md says. */
export const COUNTED = 100_000;

export class RefusedMessages {
  rows = $state.raw<RefusedRow[]>([]);
  byReason = $state.raw<Record<string, number>>({});
  room = $state.raw<RefusedPage['room'] | null>(null);
  reason = $state('');
  replayed = $state(false);
  /** All are there: nothing older can be asked for. */
  whole = $state(false);
  read = $state(false);
  error = $state('');
  opened = $state.raw<RefusedDetail | null>(null);
  /** How many were taken again so far; null while nothing is. */
  replaying = $state<number | null>(null);
  private asking = 0;
  readonly feed: string;
  private readonly page: Page;
  private readonly tell: (text: string) => void;

  constructor(page: Page, feed: string, tell: (text: string) => void) {
    this.page = page;
    this.feed = feed;
    this.tell = tell;
  }

  get waiting(): number {
    return Object.values(this.byReason).reduce((sum, n) => sum + n, 0);
  }

  /** Why what is refused is not all here, of whichever way in; empty where it is. */
  get notKept(): string {
    const { t } = this.page;
    if (!this.room) return '';
    const { is_full, most_bytes, not_kept } = this.room;
    if (is_full) return t('quarantineFull', number(Math.round(most_bytes / 2 ** 20)));
    return not_kept ? t('quarantineNotKept', number(not_kept)) : '';
  }

  async ask(older = false): Promise<void> {
    const mine = ++this.asking;
    const query = new URLSearchParams({ feed: this.feed, limit: String(ROWS) });
    if (this.reason) query.set('reason', this.reason);
    if (this.replayed) query.set('replayed', 'true');
    const last = this.rows.at(-1);
    if (older && last) query.set('before', String(last.id));
    try {
      const answer = await get<RefusedPage>(`/api/quarantine?${query}`);
      if (mine !== this.asking) return;
      this.rows = older ? [...this.rows, ...answer.messages] : answer.messages;
      this.whole = answer.messages.length < ROWS;
      this.room = answer.room;
      this.read = true;
      this.error = '';
    } catch (problem) {
      if (mine === this.asking) this.error = this.page.failed(problem);
    }
  }

  /** Count what waits, by reason: what is shown may be a part of it, or hold what was taken since. */
  private async count(): Promise<void> {
    try {
      this.byReason = (await get<RefusedPage>(`/api/quarantine?${new URLSearchParams({ feed: this.feed, limit: '1' })}`)).by_reason;
    } catch (problem) {
      this.error = this.page.failed(problem);
    }
  }

  /** Show those of one reason only, or of all. */
  async only(reason: string): Promise<void> {
    this.reason = reason;
    await this.ask();
  }

  async open(id: number): Promise<void> {
    try {
      this.opened = await get<RefusedDetail>(`/api/quarantine/${id}`);
    } catch (problem) {
      this.tell(this.page.failed(problem));
    }
  }

  /** Take again one message, or all that are shown, until none is left that was there; says what became of them. */
  async replay(chosen: { id?: number; reason?: string }): Promise<void> {
    if (this.replaying !== null) return;
    this.replaying = 0;
    const done: Replayed = { messages: 0, taken: 0, stored: 0, duplicate: 0, again: {}, last: 0, more: true };
    try {
      while (done.more) {
        const step = await post<Replayed>('/api/replays', { feed: this.feed, ...chosen, after: done.last });
        for (const key of ['messages', 'taken', 'stored', 'duplicate'] as const) done[key] += step[key];
        for (const [reason, n] of Object.entries(step.again)) done.again[reason] = (done.again[reason] ?? 0) + n;
        done.last = step.last;
        done.more = step.more;
        this.replaying = done.messages;
      }
      this.tell(this.told(done));
    } catch (problem) {
      this.tell(this.page.failed(problem));
    }
    this.replaying = null;
    this.opened = null;
    await this.refresh();
  }

  /** Read anew what is shown and how much waits; a reason of which nothing is left is no longer chosen. */
  async refresh(): Promise<void> {
    await this.count();
    if (!(this.reason in this.byReason)) this.reason = '';
    await this.ask();
  }

  private told(done: Replayed): string {
    const { t, lang } = this.page;
    if (!done.messages) return t('replayedNone');
    const again = Object.entries(done.again).map(([reason, n]) => `${reasonWord(lang, reason)} ${number(n)}`);
    const words = t('replayed', number(done.messages), number(done.taken), number(done.stored), number(done.duplicate));
    const stop = lang === 'zh' ? '。' : '. ';
    return again.length ? `${words}${stop}${t('replayedAgain', again.join(lang === 'zh' ? '、' : ', '))}` : words;
  }
}
