/** Hold what a device sent lately, as it came. */
import { get } from '../api/client.ts';
import type { SearchHit } from '../api/schema.ts';
import type { SentList } from '../api/sources_schema.ts';
import type { Page } from './page.svelte.ts';

const MESSAGES = 50;

/** The number of a device in the world. */
export const uidOf = (hit: SearchHit): string => (typeof hit.detail === 'string' ? hit.detail : '');

export class SentMessages {
  number = $state('');
  hits = $state.raw<SearchHit[]>([]);
  list = $state.raw<SentList | null>(null);
  readAt = $state(0);
  busy = $state(false);
  error = $state('');
  private device = 0;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Find a device by its number: one that has it is shown, of several that hold it one is chosen. */
  async find(): Promise<void> {
    const wanted = this.number.trim();
    if (!wanted) return;
    await this.act(async () => {
      this.list = null;
      this.hits = [];
      const found = (await get<SearchHit[]>(`/api/search?${new URLSearchParams({ q: wanted, limit: '50' })}`)).filter((hit) => hit.type === 'device');
      const exact = found.find((hit) => uidOf(hit).toLowerCase() === wanted.toLowerCase()) ?? (found.length === 1 ? found[0] : undefined);
      if (!found.length) this.error = this.page.t('sentNoDevice');
      else if (exact) await this.read(exact.id);
      else this.hits = found;
    });
  }

  show(hit: SearchHit): Promise<void> {
    this.number = uidOf(hit);
    this.hits = [];
    return this.act(() => this.read(hit.id));
  }

  again(): Promise<void> {
    return this.act(() => this.read(this.device));
  }

  private async read(device: number): Promise<void> {
    this.list = await get<SentList>(`/api/sources/devices/${device}/messages?limit=${MESSAGES}`);
    this.device = device;
    this.readAt = Date.now();
  }

  private async act(then: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.error = '';
    try {
      await then();
    } catch (problem) {
      this.error = this.page.failed(problem);
    }
    this.busy = false;
  }
}
