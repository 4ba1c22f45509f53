/** Hold what the operator's desk shows: queues, and what of the page is open. */
import type { EvidenceGroup, Queue, QueueList, QueueName, Queues } from '../api/case_schema.ts';
import { nameOf } from '../i18n/index.ts';
import { AlarmActs } from './alarm_acts.svelte.ts';
import { unmarked } from './groups.ts';
import type { Selection } from './live_page.svelte.ts';
import { heldNow } from './shelving.ts';
import { CameraLook } from './camera_look.svelte.ts';
import { CasePage } from './case_page.svelte.ts';
import { CaseEntry } from './desk/entry.svelte.ts';
import { Merging } from './desk/merging.svelte.ts';
import { momentFrom, stripOf } from './desk/strip.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';

export const QUEUE_NAMES: QueueName[] = ['collect', 'dispatch', 'supervise', 'check'];

/** Seconds between two reads of what has no event of its own. */
const EVERY_S = { queues: 15, stand: 30, evidence: 10, surroundings: 15, alarms: 30, timeline: 60 };

export class Desk extends CasePage {
  readonly queues = new Resource<Queues>('/api/queues');
  queue = $state<QueueName>('dispatch');
  source = $state<string | null>(null);
  private readonly lists = new Map<string, Resource<QueueList>>();
  list = $state.raw<Resource<QueueList>>(this.listOf('dispatch', null));

  /** Something that was found by search: a place with a name. */
  found = $state.raw<{ lon: number; lat: number; name: string } | null>(null);
  readonly entry = new CaseEntry(this);
  readonly merging = new Merging(this);
  readonly alarmActs = new AlarmActs(this, () => this.readEvents());
  readonly cameraLook = new CameraLook();
  /** Camera whose field is shown, and whose picture may be looked at. */
  camera = $state<number | null>(null);
  /** What the strip under the map tells of while a case is open. */
  strip = $state<'case' | 'day'>('case');

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

  protected override forget(): void {
    super.forget();
    this.lists.clear();
    this.list = this.listOf(this.queue, this.source);
    this.entry.leave();
    this.alarmActs.leave();
    this.merging.clear();
  }

  override refreshQueues(): void {
    void this.queues.refresh();
    void this.list.refresh();
  }

  // ---- queues ---------------------------------------------------------------------------------

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

  // ---- the open case --------------------------------------------------------------------------

  protected override opened(): void {
    this.camera = null;
    this.found = null;
    this.remember();
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

  select(selection: Selection | null): void {
    this.found = null;
    if (selection?.type === 'case') this.openCase(Number(selection.id));
    else if (selection?.type === 'group') {
      const group = this.alarms.value?.groups.find((g) => g.key === selection.id);
      if (group?.case) this.openCase(group.case.id);
      else if (group) this.found = { lon: group.lon, lat: group.lat, name: nameOf(this.lang, group.title) };
    }
  }

  /** The group of alarms of the open case, where who is signed in may acknowledge and shelve it. */
  private get ownGroup(): EvidenceGroup | null {
    const group = this.open?.evidence.value?.group;
    return group?.open && group.may_acknowledge && this.mayAcknowledge ? group : null;
  }

  acknowledgeGroup(): boolean {
    const group = this.ownGroup;
    if (!group) return false;
    void this.alarmActs.acknowledge(group.group_id);
    return true;
  }

  /** Ask for the reason and the end, or who put it aside; nothing is done before Enter. */
  shelveGroup(): boolean {
    const group = this.ownGroup;
    if (!group || !this.stand) return false;
    this.alarmActs.begin({ group_id: group.group_id, title: unmarked(nameOf(this.lang, this.stand.title)), shelving: heldNow(group.shelving, this.now) });
    return true;
  }

  /** Look at the moment before or after of what happened to the case. */
  stepStrip(step: 1 | -1): boolean {
    const { open, stand } = this;
    if (!open || !stand || this.strip !== 'case') return false;
    open.lookedAt = momentFrom(stripOf(open.evidence.value, stand.events, this.now).moments, open.lookedAt, step);
    return true;
  }

  // ---- closing --------------------------------------------------------------------------------

  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.alarmActs.of) this.alarmActs.leave();
    else if (this.searchOpen) this.searchOpen = false;
    else if (this.entry.link) this.entry.link = null;
    else if (this.entry.picking) this.entry.picking = false;
    else if (this.entry.open) this.entry.open = false;
    else if (this.menu) this.menu = false;
    else if (this.merging.cases) {
      this.merging.abandon();
      this.onFocus('row');
    }
    else if (this.open?.differences) this.open.differences = false;
    else if (this.open?.draft) this.acts.abandon();
    else if (this.merging.marked.size) this.merging.clear();
    else if (this.camera !== null) this.camera = null;
    else if (this.open && this.open.lookedAt !== null) this.open.lookedAt = null;
    else if (this.found) this.found = null;
    else if (this.open?.expanded) this.open.expanded = false;
    else if (this.open) {
      this.open = null;
      this.remember();
      this.tab = 'queue';
    } else this.cursor = null;
  }
}
