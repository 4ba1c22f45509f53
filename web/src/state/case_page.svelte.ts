/** Hold what every page of cases has: a list, the case that is open, and what is done with it. */
import type { CaseStand, Move, QueueList, QueueRow } from '../api/case_schema.ts';
import type { JournalEvent } from '../api/socket.ts';
import { Acts } from './desk/acts.svelte.ts';
import { keyOf } from './desk/moves.ts';
import { OpenCase } from './desk/open_case.svelte.ts';
import { iconOf } from './desk/rows.ts';
import { LivePage } from './live_page.svelte.ts';
import type { Resource } from './resource.svelte.ts';

/** Most cases that keep what was typed about them while others are open. */
const KEPT_CASES = 20;

export abstract class CasePage extends LivePage {
  /** The list that is shown now. */
  abstract readonly list: Resource<QueueList>;
  /** Row under the keyboard. */
  cursor = $state<number | null>(null);
  open = $state.raw<OpenCase | null>(null);
  private readonly kept = new Map<number, OpenCase>();
  menu = $state(false);
  readonly acts = new Acts(this);
  tab = $state<'queue' | 'map' | 'case'>('queue');

  /** Set by the page: where the keyboard goes. */
  onFocus: (where: 'note' | 'form' | 'row') => void = () => undefined;

  /** Read the list again, and how many there are. */
  abstract refreshQueues(): void;

  /** Another case was opened. */
  protected opened(): void {}

  protected override heard(event: JournalEvent): void {
    if (this.open && event.subject === `case/${this.open.id}`) void this.readStand(this.open);
  }

  protected override missed(): void {
    if (this.open) void this.readStand(this.open);
  }

  protected override forget(): void {
    this.kept.clear();
  }

  /** Forget what was read and typed of a case. */
  protected drop(id: number): void {
    this.kept.delete(id);
  }

  /** Read where a case stands; a draft that nobody's act touches goes on from there. */
  async readStand(open: OpenCase): Promise<void> {
    await open.stand.refresh();
    const stand = open.stand.value;
    if (open.draft && stand && stand.version > open.draft.version && !open.conflict) open.draft = { ...open.draft, version: stand.version };
  }

  // ---- the list -------------------------------------------------------------------------------

  get rows(): QueueRow[] {
    return this.list.value?.cases ?? [];
  }

  get running(): QueueRow[] {
    return this.rows.filter((row) => !row.parked_at);
  }

  get waiting(): QueueRow[] {
    return this.rows.filter((row) => row.parked_at);
  }

  move(step: number): void {
    const ids = [...this.running, ...this.waiting].map((row) => row.id);
    if (!ids.length) return;
    const at = ids.indexOf(this.cursor ?? this.open?.id ?? -1);
    this.cursor = ids[Math.max(0, Math.min(ids.length - 1, at < 0 ? (step > 0 ? 0 : ids.length - 1) : at + step))];
    this.onFocus('row');
  }

  openCursor(): void {
    const id = this.cursor ?? this.running[0]?.id;
    if (id !== undefined) this.openCase(id);
  }

  // ---- the open case --------------------------------------------------------------------------

  /** Open a case and, as that was asked for, look at its place. */
  openCase(id: number): void {
    this.cursor = id;
    if (this.open?.id !== id) {
      const held = this.kept.get(id) ?? new OpenCase(id);
      this.kept.delete(id);
      this.kept.set(id, held);
      for (const [key, other] of this.kept) if (this.kept.size > KEPT_CASES && !other.typed && key !== id) this.kept.delete(key);
      this.open = held;
      this.menu = false;
      for (const resource of held.resources) if (resource !== held.stand) void resource.refresh();
      void this.readStand(held).then(() => this.open === held && this.fly());
      this.opened();
    } else this.fly();
    this.tab = 'case';
  }

  get stand(): CaseStand | null {
    return this.open?.stand.value ?? null;
  }

  get openRow(): QueueRow | undefined {
    return this.rows.find((row) => row.id === this.open?.id);
  }

  /** The mark of the open case: of its worst alarm, else of its source. */
  get icon(): string {
    const { stand, openRow } = this;
    return stand ? iconOf({ state: stand.state ?? openRow?.state ?? null, source: stand.source }) : 'case';
  }

  get place(): [number, number] | null {
    const { stand } = this;
    return stand ? [stand.lon, stand.lat] : null;
  }

  fly(): void {
    const { place } = this;
    if (place) this.onFly(place[0], place[1]);
  }

  moveOf(name: string): Move | undefined {
    return this.stand?.moves.find((m) => m.name === name);
  }

  /** Choose the next or the one before of those who could go. */
  nextCandidate(step: 1 | -1): boolean {
    const { open } = this;
    const n = open?.handlers.length ?? 0;
    if (!open || n < 2) return false;
    this.chooseCandidate((open.candidate + step + n) % n);
    return true;
  }

  chooseCandidate(at: number): void {
    const { open } = this;
    const candidate = open?.handlers[at];
    if (!open || !candidate) return;
    open.chosen = keyOf(candidate);
    this.acts.chosen();
  }
}
