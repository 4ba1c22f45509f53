/** Hold what the operator's desk shows: queues, the open case, what is typed, and the acts. */
import { ApiError, post } from '../api/client.ts';
import type { CaseStand, Move, Queue, QueueList, QueueName, QueueRow, Queues, Told } from '../api/case_schema.ts';
import type { JournalEvent } from '../api/socket.ts';
import { nameOf } from '../i18n/index.ts';
import { LivePage, type Selection } from './live_page.svelte.ts';
import { dropReport, emptyReport, keepReport, keptReport, missingOf, toSend, type ReportDraft } from './desk/report.ts';
import { CameraLook } from './camera_look.svelte.ts';
import { fieldsOf, handlerOf, keyOf, missing, type Draft } from './desk/moves.ts';
import { iconOf } from './desk/rows.ts';
import { OpenCase } from './desk/open_case.svelte.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';

export const QUEUE_NAMES: QueueName[] = ['collect', 'dispatch', 'supervise', 'check'];

/** Seconds between two reads of what has no event of its own. */
const EVERY_S = { queues: 15, stand: 30, evidence: 10, surroundings: 15, alarms: 30, timeline: 60 };
/** Most cases that keep what was typed about them while others are open. */
const KEPT_CASES = 20;

export class Desk extends LivePage {
  readonly queues = new Resource<Queues>('/api/queues');
  queue = $state<QueueName>('dispatch');
  source = $state<string | null>(null);
  private readonly lists = new Map<string, Resource<QueueList>>();
  list = $state.raw<Resource<QueueList>>(this.listOf('dispatch', null));

  /** Row under the keyboard. */
  cursor = $state<number | null>(null);
  open = $state.raw<OpenCase | null>(null);
  private readonly kept = new Map<number, OpenCase>();
  /** Something that was found by search: a place with a name. */
  found = $state.raw<{ lon: number; lat: number; name: string } | null>(null);
  menu = $state(false);
  /** The form of a new case is open. */
  reporting = $state(false);
  /** A place for it is being picked on the map. */
  picking = $state(false);
  newCase = $state.raw<ReportDraft>(keptReport(sessionStorage) ?? emptyReport(crypto.randomUUID()));
  reportBusy = $state(false);
  reportRefusal = $state('');
  /** The link by which whoever reported a case may follow it. */
  link = $state.raw<{ url: string; number: string } | null>(null);
  readonly cameraLook = new CameraLook();
  /** Camera whose field is shown, and whose picture may be looked at. */
  camera = $state<number | null>(null);
  tab = $state<'queue' | 'map' | 'case'>('queue');

  /** Set by the page: where the keyboard goes. */
  onFocus: (where: 'note' | 'form' | 'row') => void = () => undefined;

  private listOf(queue: QueueName, source: string | null): Resource<QueueList> {
    const path = `/api/cases?open=true&queue=${queue}${source ? `&source=${encodeURIComponent(source)}` : ''}&limit=200`;
    const held = this.lists.get(path) ?? new Resource<QueueList>(path, (l) => l.cases.length === 0);
    this.lists.set(path, held);
    return held;
  }

  // ---- reading again --------------------------------------------------------------------------

  protected override get resources(): AnyResource[] {
    return [this.queues, this.list, this.alarms, this.timeline, ...(this.open?.resources ?? [])];
  }

  protected override eachSecond(seconds: number): void {
    if (seconds % EVERY_S.queues === 0) this.refreshQueues();
    if (seconds % EVERY_S.alarms === 0) void this.alarms.refresh();
    if (seconds % EVERY_S.timeline === 0) void this.timeline.refresh();
    if (!this.open) return;
    if (seconds % EVERY_S.stand === 0) void this.open.stand.refresh();
    if (seconds % EVERY_S.evidence === 0) void this.open.evidence.refresh();
    if (seconds % EVERY_S.surroundings === 0) void this.open.surroundings.refresh();
  }

  protected override readEvents(): void {
    this.refreshQueues();
    void this.alarms.refresh();
    void this.open?.evidence.refresh();
  }

  protected override heard(event: JournalEvent): void {
    if (this.open && event.subject === `case/${this.open.id}`) void this.readStand(this.open);
  }

  protected override missed(): void {
    if (this.open) void this.readStand(this.open);
  }

  protected override forget(): void {
    this.kept.clear();
    this.lists.clear();
    this.list = this.listOf(this.queue, this.source);
    this.reporting = this.picking = false;
  }

  private refreshQueues(): void {
    void this.queues.refresh();
    void this.list.refresh();
  }

  /** Read where a case stands; a draft that nobody's act touches goes on from there. */
  private async readStand(open: OpenCase): Promise<void> {
    await open.stand.refresh();
    const stand = open.stand.value;
    if (open.draft && stand && stand.version > open.draft.version && !open.conflict) open.draft = { ...open.draft, version: stand.version };
  }

  // ---- queues ---------------------------------------------------------------------------------

  get rows(): QueueRow[] {
    return this.list.value?.cases ?? [];
  }

  get running(): QueueRow[] {
    return this.rows.filter((row) => !row.parked_at);
  }

  get waiting(): QueueRow[] {
    return this.rows.filter((row) => row.parked_at);
  }

  queueOf(name: QueueName): Queue | undefined {
    return this.queues.value?.queues.find((q) => q.name === name);
  }

  choose(queue: QueueName, source: string | null = null): void {
    if (queue !== this.queue) this.cursor = null;
    this.queue = queue;
    this.source = source;
    this.list = this.listOf(queue, source);
    this.tab = 'queue';
    this.remember();
    void this.list.refresh();
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
      this.camera = null;
      this.found = null;
      for (const resource of held.resources) if (resource !== held.stand) void resource.refresh();
      void this.readStand(held).then(() => this.open === held && this.fly());
      this.remember();
    } else this.fly();
    this.tab = 'case';
  }

  /** The address says what is open, so that it is open again after a reload. */
  private remember(): void {
    const query = new URLSearchParams(location.search);
    query.set('queue', this.queue);
    if (this.open) query.set('case', String(this.open.id));
    else query.delete('case');
    history.replaceState(null, '', `${location.pathname}?${query}`);
  }

  /** Open what the address names. */
  recall(): void {
    const query = new URLSearchParams(location.search);
    const queue = QUEUE_NAMES.find((name) => name === query.get('queue'));
    if (queue) this.choose(queue);
    const id = Number(query.get('case'));
    if (Number.isInteger(id) && id > 0) this.openCase(id);
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

  select(selection: Selection | null): void {
    this.found = null;
    if (selection?.type === 'case') this.openCase(Number(selection.id));
    else if (selection?.type === 'group') {
      const group = this.alarms.value?.groups.find((g) => g.key === selection.id);
      if (group?.case) this.openCase(group.case.id);
      else if (group) this.found = { lon: group.lon, lat: group.lat, name: nameOf(this.lang, group.title) };
    }
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
    if (open.draft && this.asks(open.draft, 'handler')) open.draft = this.given(open.draft);
  }

  /** A draft with whoever is chosen now: later readings of the list change nothing of it. */
  private given(draft: Draft): Draft {
    const candidate = this.open?.handlers[this.open.candidate];
    return candidate ? { ...draft, told: { ...draft.told, worker_id: undefined, organisation_id: undefined, ...handlerOf(candidate) }, to: candidate.name } : draft;
  }

  private asks(draft: Draft, field: string): boolean {
    return !!this.moveOf(draft.move)?.needs.includes(field);
  }

  moveOf(name: string): Move | undefined {
    return this.stand?.moves.find((m) => m.name === name);
  }

  // ---- acts -----------------------------------------------------------------------------------

  /** Begin an act, with what is known of it: nothing is done before it is confirmed. */
  begin(move: Move, known: Told = {}): void {
    const { open, stand } = this;
    if (!open || !stand || open.busy) return;
    this.menu = false;
    open.refusal = '';
    if (open.draft?.move !== move.name) {
      const draft: Draft = { move: move.name, version: stand.version, told: known, of: move };
      open.draft = fieldsOf(move).includes('handler') ? this.given(draft) : draft;
    } else open.draft = { ...open.draft, told: { ...open.draft.told, ...known } };
    open.differences = false;
    this.tab = 'case';
    this.onFocus('form');
  }

  tell(told: Told): void {
    if (this.open?.draft) this.open.draft = { ...this.open.draft, told: { ...this.open.draft.told, ...told } };
  }

  abandon(): void {
    if (!this.open) return;
    this.open.draft = null;
    this.open.refusal = '';
    this.open.differences = false;
    this.onFocus('row');
  }

  /** Do what was begun, on the version of the case that was seen then. */
  async confirm(): Promise<void> {
    const { open } = this;
    const draft = open?.draft;
    const move = draft && this.moveOf(draft.move);
    if (!open || !draft || open.busy) return;
    if (open.conflict) {
      open.refusal = this.t('conflictFirst');
      return;
    }
    if (!move) {
      open.refusal = this.t('moveGone');
      return;
    }
    const lacks = missing(move, draft.told);
    if (lacks.length) {
      open.refusal = this.t('stillMissing', lacks.map((field) => this.t(`field_${field}`)).join(this.lang === 'zh' ? '、' : ', '));
      this.onFocus('form');
      return;
    }
    if (await this.send(open, draft)) {
      open.draft = null;
      this.say(this.t(move.asks ? 'asked' : 'done', this.lang === 'zh' ? move.zh : move.en, this.stand?.number ?? ''));
      this.onFocus('row');
    }
  }

  private async send(open: OpenCase, draft: Draft): Promise<boolean> {
    open.busy = true;
    open.refusal = '';
    try {
      const told = Object.fromEntries(Object.entries(draft.told).filter(([, value]) => value !== undefined && value !== ''));
      await post(`/api/cases/${open.id}/acts`, { ...told, move: draft.move, version: draft.version });
      this.refreshQueues();
      await open.stand.refresh();
      void open.surroundings.refresh();
      return true;
    } catch (problem) {
      // somebody was first: what they did is read, and what was typed stays
      const stale = problem instanceof ApiError && problem.status === 409 && typeof problem.problem.version === 'number';
      await this.readStand(open);
      if (!stale || !open.conflict) open.refusal = problem instanceof Error ? problem.message : String(problem);
      return false;
    } finally {
      open.busy = false;
    }
  }

  /** Send mine again on what the case has become, where the two do not touch. */
  async merge(): Promise<void> {
    const { open, stand } = this;
    if (!open?.draft || !stand || !open.conflict) return;
    if (!open.conflict.mergeable) {
      open.differences = true;
      return;
    }
    open.draft = { ...open.draft, version: stand.version };
    await this.confirm();
  }

  /** Take note of what others did: mine goes on from there, nothing is sent. */
  accept(): void {
    const { open, stand } = this;
    if (!open?.draft || !stand) return;
    open.differences = false;
    open.refusal = '';
    if (this.moveOf(open.draft.move)) open.draft = { ...open.draft, version: stand.version };
    else this.abandon();
  }

  /** Record the note; it changes nothing of where the case stands. */
  async record(): Promise<void> {
    const { open, stand } = this;
    const note = open?.note.trim();
    if (!open || !stand || !note || open.busy) return;
    for (let tries = 0; tries < 3; tries++) {
      const version = open.stand.value?.version ?? stand.version;
      if (await this.send(open, { move: 'note', version, told: { note } })) {
        open.note = '';
        this.say(this.t('noted'));
        return;
      }
      // a note fits any version: where somebody acted meanwhile it goes with the new one
      if ((open.stand.value?.version ?? version) === version) return;
      open.refusal = '';
    }
  }

  // ---- a new case -----------------------------------------------------------------------------

  get mayReport(): boolean {
    return this.may('case.file');
  }

  startReport(): void {
    if (!this.mayReport) return;
    this.reporting = true;
    this.tab = 'map';
  }

  type(part: Partial<ReportDraft>): void {
    this.newCase = { ...this.newCase, ...part };
    this.keepReport();
  }

  keepReport(): void {
    keepReport(sessionStorage, this.newCase);
  }

  pickPlace([lon, lat]: [number, number]): void {
    this.picking = false;
    this.type({ lon, lat });
  }

  dropReport(): void {
    dropReport(sessionStorage);
    this.newCase = emptyReport(crypto.randomUUID());
    this.reportRefusal = '';
  }

  /** Report the case; what was typed is kept until the server has it. */
  async sendReport(reporter: { name: string; phone: string }): Promise<void> {
    if (this.reportBusy || missingOf(this.newCase).length) return;
    this.reportBusy = true;
    this.reportRefusal = '';
    try {
      const made = await post<CaseStand & { token: string | null }>('/api/cases', toSend(this.newCase, reporter));
      this.dropReport();
      this.reporting = this.picking = false;
      this.say(this.t('reported', made.number));
      // whoever reported may follow it: shown once, here
      this.link = made.token ? { url: `${location.origin}/r/${made.token}`, number: made.number } : null;
      this.choose('collect');
      this.openCase(made.id);
    } catch (problem) {
      this.reportRefusal = problem instanceof Error ? problem.message : String(problem);
    } finally {
      this.reportBusy = false;
    }
  }

  // ---- closing --------------------------------------------------------------------------------

  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.searchOpen) this.searchOpen = false;
    else if (this.link) this.link = null;
    else if (this.picking) this.picking = false;
    else if (this.reporting) this.reporting = false;
    else if (this.menu) this.menu = false;
    else if (this.open?.differences) this.open.differences = false;
    else if (this.open?.draft) this.abandon();
    else if (this.camera !== null) this.camera = null;
    else if (this.found) this.found = null;
    else if (this.open?.expanded) this.open.expanded = false;
    else if (this.open) {
      this.open = null;
      this.remember();
      this.tab = 'queue';
    } else this.cursor = null;
  }
}
