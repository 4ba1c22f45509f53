/** Hold how the ways in do, asked for again and again, and pause and resume them. */
import { ApiError, post } from '../api/client.ts';
import type { Source, SourceList } from '../api/sources_schema.ts';
import type { Page } from './page.svelte.ts';
import { Resource } from './resource.svelte.ts';
import { nameOfSource, STALE_AFTER_MS } from './source_words.ts';

const EVERY_MS = 5_000;

/** Ask again and again while somebody looks; gives back what ends it. */
export function askOften(ask: () => void): () => void {
  const timer = setInterval(() => document.hidden || ask(), EVERY_MS);
  const seen = () => document.hidden || ask();
  document.addEventListener('visibilitychange', seen);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}

export class Sources {
  readonly list = new Resource<SourceList>('/api/sources');
  now = $state(Date.now());
  chosen = $state<string | null>(null);
  /** The way in that is about to be paused: its reason is asked for. */
  pausing = $state.raw<Source | null>(null);
  busy = $state(false);
  private readonly page: Page;
  private readonly tell: (text: string) => void;

  constructor(page: Page, tell: (text: string) => void) {
    this.page = page;
    this.tell = tell;
  }

  get rows(): Source[] {
    return this.list.value?.sources ?? [];
  }

  get source(): Source | undefined {
    return this.rows.find((source) => source.id === this.chosen);
  }

  /** How long ago the list was read, ms. */
  get ageMs(): number {
    return this.list.at ? Math.max(0, this.now - this.list.at) : 0;
  }

  /** What is shown is no longer how things are. */
  get stale(): boolean {
    return !!this.list.at && this.ageMs > STALE_AFTER_MS;
  }

  /** Ask while somebody looks; gives back what ends it. */
  start(): () => void {
    void this.list.refresh();
    const stop = askOften(() => void this.list.refresh());
    const tick = setInterval(() => (this.now = Date.now()), 1_000);
    return () => {
      stop();
      clearInterval(tick);
    };
  }

  move(step: number): void {
    const { rows } = this;
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.id === this.chosen);
    this.chosen = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))].id;
  }

  /** Pause a way in; fails with the API's refusal, which the dialog shows. */
  async pause(source: Source, reason: string): Promise<void> {
    try {
      await post(`/api/sources/${source.id}/pause`, { reason });
      this.tell(this.page.t('did_paused', nameOfSource(this.page.lang, source)));
    } catch (problem) {
      if (!(problem instanceof ApiError && problem.status === 409)) throw problem;
      this.tell(this.page.t('did_already'));
    }
    this.pausing = null;
    await this.list.refresh();
  }

  async resume(source: Source): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await post(`/api/sources/${source.id}/resume`);
      this.tell(this.page.t('did_resumed', nameOfSource(this.page.lang, source)));
    } catch (problem) {
      this.tell(problem instanceof ApiError && problem.status === 409 ? this.page.t('did_already') : this.page.failed(problem));
    }
    this.busy = false;
    await this.list.refresh();
  }
}
