/** Hold a tree of areas of which branches are read when they are opened, and what a search found in it. */
import { get } from '../api/client.ts';
import type { AreaChoice } from '../api/access_schema.ts';

export interface AreaRow {
  area: AreaChoice;
  depth: number;
  open: boolean;
  /** Place among those beside it, from 1, and how many there are: what a screen reader says. */
  at: number;
  of: number;
}

/** More areas than this are not listed at once: words find them. */
export const MOST = 200;

/** The rows to show: a branch follows its area where it is open and read. */
export function rowsOf(roots: AreaChoice[], inside: ReadonlyMap<string, AreaChoice[]>, open: ReadonlySet<string>, depth = 1): AreaRow[] {
  return roots.flatMap((area, i) => {
    const isOpen = open.has(area.code) && inside.has(area.code);
    const row: AreaRow = { area, depth, open: isOpen, at: i + 1, of: roots.length };
    return isOpen ? [row, ...rowsOf(inside.get(area.code)!, inside, open, depth + 1)] : [row];
  });
}

export class AreaTree {
  private roots = $state.raw<AreaChoice[] | null>(null);
  private found = $state.raw<AreaChoice[] | null>(null);
  private inside = $state.raw<ReadonlyMap<string, AreaChoice[]>>(new Map());
  private open = $state.raw<ReadonlySet<string>>(new Set());
  /** The row under the keyboard. */
  at = $state<string | null>(null);
  error = $state.raw<unknown>(null);
  private asking = 0;
  private readonly path: string;

  /** `path` is the route that lists areas. */
  constructor(path: string) {
    this.path = path;
  }

  private list(query: string): Promise<AreaChoice[]> {
    return get<AreaChoice[]>(`${this.path}?limit=${MOST}${query}`);
  }

  get rows(): AreaRow[] | null {
    const roots = this.found ?? this.roots;
    return roots && rowsOf(roots, this.inside, this.open);
  }

  /** Read the top of the tree, and open it as far down as there is nothing to choose between. */
  async start(): Promise<void> {
    try {
      this.roots = await this.list('');
      for (let only = this.roots; only.length === 1 && only[0].inside; only = this.inside.get(only[0].code) ?? []) await this.expand(only[0]);
      this.at ??= this.roots[0]?.code ?? null;
    } catch (problem) {
      this.error = problem;
    }
  }

  /** Show what has these words in its name or begins with this code; without words the tree. */
  async search(words: string): Promise<void> {
    const mine = ++this.asking;
    const q = words.trim();
    try {
      const found = q ? await this.list(`&q=${encodeURIComponent(q)}`) : null;
      if (mine !== this.asking) return;
      this.found = found;
      this.error = null;
      this.at = (found ?? this.roots)?.[0]?.code ?? null;
    } catch (problem) {
      if (mine === this.asking) this.error = problem;
    }
  }

  async expand(area: AreaChoice): Promise<void> {
    if (!area.inside) return;
    this.open = new Set([...this.open, area.code]);
    if (this.inside.has(area.code)) return;
    const read = await this.list(`&under=${area.code}`);
    this.inside = new Map([...this.inside, [area.code, read]]);
  }

  fold(area: AreaChoice): void {
    this.open = new Set([...this.open].filter((code) => code !== area.code));
  }

  /** What an arrow key does to a tree: down and up a row, right into a branch, left out of it. True when it was ours. */
  press(key: string): boolean {
    const rows = this.rows ?? [];
    const i = rows.findIndex((row) => row.area.code === this.at);
    const row = rows[i];
    const go = (to: AreaRow | undefined) => (this.at = to?.area.code ?? this.at);
    if (key === 'ArrowDown') go(rows[i + 1]);
    else if (key === 'ArrowUp') go(rows[Math.max(0, i - 1)]);
    else if (key === 'Home') go(rows[0]);
    else if (key === 'End') go(rows.at(-1));
    else if (key === 'ArrowRight' && row) {
      if (row.open) go(rows[i + 1]);
      else void this.expand(row.area).catch((problem: unknown) => (this.error = problem));
    } else if (key === 'ArrowLeft' && row) {
      if (row.open) this.fold(row.area);
      else go(rows.slice(0, i).findLast((above) => above.depth < row.depth));
    } else return false;
    return true;
  }
}
