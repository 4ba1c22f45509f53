/** Hold what the staff of a department or company sees: the cases given to it, and what it does with them. */
import { ApiError } from '../api/client.ts';
import type { QueueList, QueueRow } from '../api/case_schema.ts';
import type { JournalEvent } from '../api/socket.ts';
import { CasePage } from './case_page.svelte.ts';
import type { Selection } from './live_page.svelte.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';
import { partOf, PARTS, type Part } from './tasks/parts.ts';
import { Finish } from './tasks/finish.svelte.ts';

/** Seconds between two reads of what events should have told already. */
const EVERY_S = { list: 15, stand: 30, evidence: 30 };
const MOST = 500;
/** Events by which a case comes to somebody. */
const GIVING: ReadonlySet<string> = new Set(['case.dispatched', 'case.transferred']);

export class Tasks extends CasePage {
  readonly list = new Resource<QueueList>(`/api/cases?open=true&limit=${MOST}`, (l) => l.cases.length === 0);
  part = $state<Part>('take');
  /** Reports that are being written, by case. */
  private readonly finishes = new Map<number, Finish>();
  finish = $state.raw<Finish | null>(null);

  constructor() {
    super();
    // the map is for finding the way: nothing lies over it but the cases
    this.toggles = Object.fromEntries(Object.keys(this.toggles).map((name) => [name, false]));
  }

  protected override get resources(): AnyResource[] {
    return [this.list, ...(this.open?.resources ?? [])];
  }

  protected override eachSecond(seconds: number): void {
    if (seconds % EVERY_S.list === 0) this.refreshQueues();
    if (this.open && seconds % EVERY_S.stand === 0) void this.readStand(this.open);
    if (this.open && seconds % EVERY_S.evidence === 0) void this.open.evidence.refresh();
  }

  protected override readEvents(): void {
    this.refreshQueues();
    void this.open?.evidence.refresh();
  }

  override refreshQueues(): void {
    void this.list.refresh();
  }

  protected override forget(): void {
    super.forget();
    this.finishes.clear();
    this.finish = null;
  }

  protected override heard(event: JournalEvent): void {
    const id = Number(event.data.case_id);
    if (event.kind === 'case.left') {
      this.leave(id, String(event.data.number ?? ''));
      return;
    }
    if (GIVING.has(event.kind) && !this.rows.some((row) => row.id === id)) this.say(this.t('tk_given', String(event.data.number ?? '')));
    super.heard(event);
  }

  /** A case was taken away: nothing of it is shown any longer. */
  leave(id: number, number: string): void {
    this.finishes.delete(id);
    this.drop(id);
    this.say(this.t('tk_left', number));
    if (this.open?.id !== id) return;
    this.close();
    this.finish = null;
    this.open = null;
    this.remember();
  }

  // ---- the list -------------------------------------------------------------------------------

  rowsOf(part: Part): QueueRow[] {
    return this.rows.filter((row) => partOf(row.stage) === part);
  }

  choose(part: Part): void {
    this.part = part;
    this.tab = 'queue';
    this.remember();
  }

  override select(selection: Selection | null): void {
    if (selection?.type === 'case') this.openCase(Number(selection.id));
  }

  // ---- the open case --------------------------------------------------------------------------

  protected override opened(): void {
    this.finish = this.finishes.get(this.open?.id ?? -1) ?? null;
    this.remember();
  }

  /** The list shows the part in which the open case lies now; a report that came true is written no more. */
  follow(): void {
    const { stand, finish } = this;
    if (!stand) return;
    this.part = partOf(stand.stage) ?? this.part;
    if (!finish || finish.caseId !== stand.id || finish.busy || this.moveOf('report_done')) return;
    // it arrived although its answer was lost, or somebody else reported it
    this.abandonFinish();
    if (stand.stage === 'feedback') this.say(this.t('tk_reported', stand.number));
  }

  /** Take a case on: nothing has to be told, and nothing is lost by it. */
  async take(): Promise<void> {
    const move = this.moveOf('take');
    if (!move) return;
    this.acts.begin(move);
    await this.acts.confirm();
  }

  /** Begin to report the open case as done, with photographs where some were taken. */
  beginFinish(files: Iterable<File> = []): void {
    const { open } = this;
    if (!open) return;
    const finish = this.finishes.get(open.id) ?? new Finish(open.id, this.t('tk_doneNote'));
    this.finishes.set(open.id, finish);
    open.draft = null;
    finish.add(files, this.board.clockOffsetS * 1000);
    this.finish = finish;
  }

  abandonFinish(): void {
    if (this.finish?.busy) return;
    if (this.finish) this.finishes.delete(this.finish.caseId);
    this.finish = null;
  }

  async confirmFinish(): Promise<void> {
    const { finish, open, stand } = this;
    if (!finish?.ready || !open || !stand) return;
    try {
      await finish.send(stand.version);
      this.finishes.delete(finish.caseId);
      if (this.finish === finish) this.finish = null;
      this.say(this.t('tk_reported', stand.number));
    } catch (problem) {
      const stale = problem instanceof ApiError && problem.status === 409 && typeof problem.problem.version === 'number';
      finish.refusal = stale ? this.t('tk_stale') : problem instanceof ApiError ? [problem.detail, problem.hint].filter(Boolean).join(' · ') : this.t('tk_unsent');
    }
    this.refreshQueues();
    await this.readStand(open);
    void open.evidence.refresh();
    this.follow();
  }

  /** The address says what is open, so that it is open again after a reload. */
  private remember(): void {
    const query = new URLSearchParams(location.search);
    query.set('part', this.part);
    if (this.open) query.set('case', String(this.open.id));
    else query.delete('case');
    history.replaceState(null, '', `${location.pathname}?${query}`);
  }

  /** Open what the address names. */
  recall(): void {
    const query = new URLSearchParams(location.search);
    this.part = PARTS.find((part) => part === query.get('part')) ?? 'take';
    const id = Number(query.get('case'));
    if (Number.isInteger(id) && id > 0) this.openCase(id);
  }

  /** Back by one step. */
  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.open?.differences) this.open.differences = false;
    else if (this.open?.draft) this.acts.abandon();
    else if (this.finish) this.finish = null;
    else this.tab = 'queue';
  }
}
