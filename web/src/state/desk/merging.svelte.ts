/** Mark several cases of the queues and make them one: nothing is sent before it is confirmed. */
import { post } from '../../api/client.ts';
import type { QueueRow } from '../../api/case_schema.ts';
import type { Desk } from '../desk.svelte.ts';
import { inOrder, linkEach, markedOf, staying, type Marked, type Refusal } from './repeats.ts';

export class Merging {
  private readonly desk: Desk;
  /** What is marked, by its number in the database; it stays while another queue is shown. */
  marked = $state.raw<ReadonlyMap<number, Marked>>(new Map());
  /** What is to be made one, as it was seen when that was begun; null while it is not. */
  cases = $state.raw<Marked[] | null>(null);
  /** The case that the others are linked to. */
  main = $state<number | null>(null);
  refused = $state.raw<ReadonlyMap<number, Refusal>>(new Map());
  busy = $state(false);

  constructor(desk: Desk) {
    this.desk = desk;
  }

  /** Whoever may file a case may say that it repeats another. */
  get may(): boolean {
    return this.desk.may('case.file');
  }

  toggle(row: QueueRow): void {
    if (!this.may || this.cases) return;
    const marked = new Map(this.marked);
    if (!marked.delete(row.id)) marked.set(row.id, markedOf(row));
    this.marked = marked;
  }

  toggleCursor(): void {
    const row = this.desk.rows.find((one) => one.id === this.desk.cursor);
    if (row) this.toggle(row);
  }

  clear(): void {
    this.marked = new Map();
    this.abandon();
  }

  /** What would be made one now: what is marked; with one marked, the open case too. */
  get meant(): Marked[] {
    const { rows, stand } = this.desk;
    const cases = new Map(this.marked);
    for (const row of rows) if (cases.has(row.id)) cases.set(row.id, markedOf(row));
    // the open case is read at once when somebody acts, the list only now and then
    if (stand && stand.outcome === null && (cases.size === 1 || cases.has(stand.id))) cases.set(stand.id, markedOf(stand));
    return inOrder([...cases.values()]);
  }

  begin(): void {
    if (!this.may || this.cases) return;
    const { meant } = this;
    if (meant.length < 2) {
      this.desk.say(this.desk.t('mg_few'));
      return;
    }
    this.cases = meant;
    this.main = staying(meant)?.id ?? null;
    this.refused = new Map();
    this.desk.tab = 'queue';
  }

  abandon(): void {
    if (this.busy) return;
    this.cases = null;
    this.refused = new Map();
  }

  /** Link the others, one after the other, each on the version that was seen of it. */
  async confirm(): Promise<void> {
    const { cases, main, desk } = this;
    const into = cases?.find((one) => one.id === main);
    if (!cases || !into || this.busy) return;
    this.busy = true;
    const { linked, refused } = await linkEach(cases, into.id, (one) => post(`/api/cases/${one.id}/acts`, { move: 'link', linked_to: into.id, version: one.version }));
    this.busy = false;
    this.main = into.id;
    const gone = new Set(linked.map((one) => one.id));
    this.marked = new Map([...this.marked].filter(([id]) => !gone.has(id)));
    this.refused = refused;
    // what was done meanwhile is told beside the case: once more goes from there
    if (refused.size) this.cases = cases.filter((one) => !gone.has(one.id)).map((one) => ({ ...one, version: refused.get(one.id)?.version ?? one.version }));
    else this.clear();
    if (linked.length) desk.say(desk.t('mg_done', linked.length, into.number));
    desk.refreshQueues();
    if (desk.open && (gone.has(desk.open.id) || desk.open.id === into.id)) void desk.readStand(desk.open);
    if (!refused.size) desk.onFocus('row');
  }
}
