/** Ask the API the same question again and again; the old answer stays while the new one is fetched. */
import { get } from '../api/client.ts';

export class Resource<T> {
  value = $state.raw<T | null>(null);
  error = $state<string | null>(null);
  /** When the value was read, ms since 1970. */
  at = $state(0);
  /** Since when the list has been empty, ms since 1970; null when it is not, or is no list. */
  emptySince = $state<number | null>(null);
  private readonly isEmpty: (value: T) => boolean;
  private readonly path: string;
  private running: Promise<void> | null = null;
  private again = false;

  constructor(path: string, isEmpty: (value: T) => boolean = () => false) {
    this.path = path;
    this.isEmpty = isEmpty;
  }

  refresh(): Promise<void> {
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

  private async read(): Promise<void> {
    try {
      this.value = await get<T>(this.path);
      this.error = null;
      this.at = Date.now();
      if (!this.isEmpty(this.value)) this.emptySince = null;
      else this.emptySince ??= this.at;
    } catch (problem) {
      this.error = problem instanceof Error ? problem.message : String(problem);
    }
  }
}
