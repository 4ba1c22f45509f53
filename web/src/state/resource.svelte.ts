/** Ask the API the same question again and again; the old answer stays while the new one is fetched. */
import { ApiError, get } from '../api/client.ts';

/** Any resource, whatever it holds. */
export type AnyResource = Pick<Resource<never>, 'error' | 'refused' | 'refresh' | 'forget'>;

export class Resource<T> {
  value = $state.raw<T | null>(null);
  error = $state<string | null>(null);
  /** The account's roles do not let it be read: it is not asked for again until they change. */
  refused = $state(false);
  /** There is no such thing for this account: what was read of it no longer holds. */
  gone = $state(false);
  /** When the value was read, ms since 1970. */
  at = $state(0);
  /** Since when the list has been empty, ms since 1970; null when it is not, or is no list. */
  emptySince = $state<number | null>(null);
  private readonly isEmpty: (value: T) => boolean;
  private readonly path: string;
  private running: Promise<void> | null = null;
  private again = false;
  /** Grows when what is on its way no longer counts. */
  private number = 0;

  constructor(path: string, isEmpty: (value: T) => boolean = () => false) {
    this.path = path;
    this.isEmpty = isEmpty;
  }

  refresh(): Promise<void> {
    if (this.refused) return Promise.resolve();
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.read().finally(() => {
      this.running = null;
      if (this.again) {
        this.again = false;
        void this.refresh();
      }
    });
    return this.running;
  }

  /** Drop what was read: it was read with other rights. */
  forget(): void {
    this.value = null;
    this.error = null;
    this.refused = false;
    this.gone = false;
    this.at = 0;
    this.emptySince = null;
    this.number += 1;
  }

  private async read(): Promise<void> {
    const number = this.number;
    try {
      const value = await get<T>(this.path);
      if (number !== this.number) return;
      this.value = value;
      this.error = null;
      this.gone = false;
      this.at = Date.now();
      if (!this.isEmpty(this.value)) this.emptySince = null;
      else this.emptySince ??= this.at;
    } catch (problem) {
      if (number !== this.number) return;
      this.refused = problem instanceof ApiError && problem.status === 403;
      this.gone = problem instanceof ApiError && problem.status === 404;
      if (this.refused || this.gone) this.value = null;
      this.error = problem instanceof Error ? problem.message : String(problem);
    }
  }
}
