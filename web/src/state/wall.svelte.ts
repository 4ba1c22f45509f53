/** Hold what the wall shows: answers of the API, selection and what is known of it. */
import { get, post } from '../api/client.ts';
import type { AlarmGroup, Cases, CityEvent, DeviceDetail, DeviceEvent, DeviceGroup, History, Names, Neighbour, Stat, StatList } from '../api/schema.ts';
import type { BuildingDetail, Trace, TraceMode } from '../api/things_schema.ts';
import { stateCode } from '../look/palette.ts';
import { AlarmActs } from './alarm_acts.svelte.ts';
import { CameraLook } from './camera_look.svelte.ts';
import { presetOf, type Preset } from './exporting.ts';
import { focusProperty, groupTitle } from './groups.ts';
import { LivePage, type Selection } from './live_page.svelte.ts';
import { isThing, THING_PATHS, type Thing } from './things.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';
import { heldNow, isAside } from './shelving.ts';

export interface Detail {
  device: DeviceDetail | null;
  building: BuildingDetail | null;
  thing: Thing | null;
  history: History | null;
  neighbours: Neighbour[] | null;
  events: DeviceEvent[] | null;
  error: string | null;
  readAt: number;
}

const EMPTY_DETAIL: Detail = { device: null, building: null, thing: null, history: null, neighbours: null, events: null, error: null, readAt: 0 };

/** Key of the list of compounds that lack most. */
export const LACKING = 'lacking_compounds';

/** Seconds between two reads of what has no event of its own. */
const EVERY_S = { alarms: 30, cases: 30, stats: 10, timeline: 60, detail: 5, recent: 30, groups: 5 };

export class Wall extends LivePage {
  readonly cameraLook = new CameraLook();
  readonly alarmActs = new AlarmActs(this, () => this.readEvents());
  readonly cases = new Resource<Cases>('/api/cases?open=true', (c) => c.cases.length === 0);
  readonly stats = new Resource<Stat[]>('/api/stats');
  readonly recent = new Resource<CityEvent[]>('/api/journal?limit=40', (e) => e.length === 0);
  readonly deviceGroups = new Resource<DeviceGroup[]>('/api/groups', (g) => g.length === 0);

  selection = $state.raw<Selection | null>(null);
  detail = $state.raw<Detail>(EMPTY_DETAIL);
  /** Who is affected by a break of the selected line or node; null while nobody asked. */
  trace = $state.raw<Trace | null>(null);
  /** Row under the keyboard in the left rail: key of a group, or case:<id>. */
  cursor = $state<string | null>(null);
  expanded = $state<string | null>(null);
  sheet = $state.raw<{ key: string; title: Names; list: StatList | null; error: string | null } | null>(null);
  /** The dialog of exports is open, with what was looked at when it was opened. */
  exporting = $state.raw<Preset | null>(null);
  tab = $state<'map' | 'alarms' | 'cases' | 'today' | 'details'>('map');
  /** Keys of groups that have become critical since the page opened. */
  freshCritical = $state.raw<ReadonlySet<string>>(new Set());
  /** Live value of the selected device, between two reads of its details. */
  liveValue = $state.raw<{ value: number; state: number } | null>(null);

  private detailNumber = 0;
  private knownGroups: Set<string> | null = null;

  protected override eachSecond(seconds: number): void {
    if (seconds % EVERY_S.alarms === 0) void this.alarms.refresh().then(() => this.arrived());
    if (seconds % EVERY_S.cases === 0) void this.cases.refresh();
    if (seconds % EVERY_S.stats === 0) void this.stats.refresh();
    if (seconds % EVERY_S.timeline === 0) void this.timeline.refresh();
    // what nobody sees is not asked for
    if (this.idle && seconds % EVERY_S.recent === 0) void this.recent.refresh();
    if (this.idle && seconds % EVERY_S.groups === 0) void this.deviceGroups.refresh();
    if (seconds % EVERY_S.detail === 0 && this.selection) void this.readDetail(false);
  }

  protected override get resources(): AnyResource[] {
    return [this.alarms, this.cases, this.stats, this.timeline, this.recent, this.deviceGroups];
  }

  protected override forget(): void {
    this.sheet = null;
    this.exporting = null;
    this.alarmActs.leave();
    this.knownGroups = null;
  }

  get mayExport(): boolean {
    return this.may('data.export');
  }

  openExport(): void {
    const { device } = this.detail;
    const shown = this.selection?.type === 'device' && device ? { id: device.id, name: device.name ?? device.uid } : null;
    this.exporting = presetOf(this.sheet, shown);
  }

  protected override counted(): void {
    this.readLiveValue();
  }

  private readLiveValue(): void {
    if (this.selection?.type !== 'device') return;
    const row = this.board.devices.rowOf(this.selection.id as number);
    if (row === undefined) return;
    const { value, state } = this.board.devices;
    if (this.liveValue?.value !== value[row] || this.liveValue.state !== state[row]) this.liveValue = { value: value[row], state: state[row] };
  }

  /** Nothing is opened: the right rail tells of the whole city. */
  get idle(): boolean {
    return !this.selection && !this.sheet;
  }

  protected override readEvents(): void {
    void this.alarms.refresh().then(() => this.arrived());
    void this.cases.refresh();
    void this.stats.refresh();
    if (this.idle) void this.recent.refresh();
  }

  /** Notice groups that have become critical since the page opened, or came back critical after they were put aside. */
  protected override arrived(): void {
    const groups = this.alarms.value?.groups;
    if (!groups) return;
    const critical = groups.filter((g) => stateCode(g.state) === 5 && !isAside(g, this.now)).map((g) => g.key);
    if (this.knownGroups) {
      const fresh = critical.filter((key) => !this.knownGroups!.has(key));
      if (fresh.length) this.freshCritical = new Set([...[...this.freshCritical].filter((key) => critical.includes(key)), ...fresh]);
    }
    this.knownGroups = new Set(critical);
    if (this.cursor && !this.rows.includes(this.cursor)) this.cursor = null;
  }

  // ---- selection ------------------------------------------------------------------------------

  /** Groups that ask for somebody. */
  get present(): AlarmGroup[] {
    return (this.alarms.value?.groups ?? []).filter((g) => !isAside(g, this.now));
  }

  /** Groups that are put aside, what comes back first at the head. */
  get aside(): AlarmGroup[] {
    return (this.alarms.value?.groups ?? []).filter((g) => isAside(g, this.now)).sort((a, b) => Date.parse(a.shelved_until!) - Date.parse(b.shelved_until!));
  }

  /** Keys of the rows of the left rail in the order in which they are listed. */
  get rows(): string[] {
    return [...this.present, ...this.aside].map((g) => g.key).concat((this.cases.value?.cases ?? []).map((c) => `case:${c.id}`));
  }

  group(key: string | null): AlarmGroup | undefined {
    return this.alarms.value?.groups.find((g) => g.key === key);
  }

  /** The alarm group that the selected thing belongs to. */
  get selectedGroup(): AlarmGroup | undefined {
    const s = this.selection;
    if (!s) return undefined;
    if (s.type === 'group') return this.group(String(s.id));
    if (s.type === 'device') return this.alarms.value?.groups.find((g) => g.members.some((m) => m.device_id === s.id));
    return undefined;
  }

  /** Name of the property that the open alarm of the selected device is about. */
  get alarmedProperty(): string | undefined {
    const id = this.selection?.id;
    const members = this.selectedGroup?.members.filter((m) => m.device_id === id) ?? [];
    return members.sort((a, b) => stateCode(b.state) - stateCode(a.state))[0]?.property;
  }

  move(step: number): void {
    const { rows } = this;
    if (!rows.length) return;
    const at = this.cursor === null ? -1 : rows.indexOf(this.cursor);
    this.cursor = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))];
  }

  openCursor(): void {
    if (this.cursor) this.openRow(this.cursor);
  }

  openRow(key: string): void {
    this.cursor = key;
    if (key.startsWith('case:')) {
      this.select({ type: 'case', id: Number(key.slice(5)) });
      return;
    }
    const group = this.group(key);
    if (!group) return;
    const worst = [...group.members].sort((a, b) => stateCode(b.state) - stateCode(a.state))[0];
    if (worst) this.select({ type: 'device', id: worst.device_id });
    else this.select({ type: 'group', id: key });
  }

  select(selection: Selection | null): void {
    this.selection = selection;
    this.trace = null;
    this.liveValue = null;
    this.detail = EMPTY_DETAIL;
    if (selection) {
      const group = this.selectedGroup;
      if (group) this.cursor = group.key;
      this.tab = 'details';
      void this.readDetail(true);
      this.readLiveValue();
    } else {
      this.detailNumber += 1;
      if (this.tab === 'details') this.tab = 'map';
      this.refreshIdle();
    }
  }

  private async readDetail(first: boolean): Promise<void> {
    const s = this.selection;
    if (!s || s.type === 'case' || s.type === 'group') return;
    const number = first ? ++this.detailNumber : this.detailNumber;
    const settle = async <T>(path: string): Promise<T | null> => get<T>(path).catch(() => null);
    try {
      if (isThing(s.type)) {
        const of = await get<Thing['of']>(`${THING_PATHS[s.type]}/${s.id}`);
        if (number === this.detailNumber) this.detail = { ...EMPTY_DETAIL, thing: { type: s.type, of } as Thing, readAt: Date.now() };
        return;
      }
      if (s.type === 'building') {
        const building = await get<BuildingDetail>(`/api/buildings/${s.id}`);
        if (number === this.detailNumber) this.detail = { ...EMPTY_DETAIL, building, readAt: Date.now() };
        return;
      }
      const base = s.type === 'worker' ? `/api/workers/${s.id}` : `/api/devices/${s.id}`;
      const device = await get<DeviceDetail>(base);
      if (number !== this.detailNumber) return;
      this.detail = { ...this.detail, device, error: null, readAt: Date.now() };
      if (s.type === 'worker') return;
      const property = focusProperty(device.properties, this.alarmedProperty)?.name;
      const [history, neighbours, events] = await Promise.all([
        property ? settle<History>(`${base}/history?property=${encodeURIComponent(property)}&hours=24&points=600`) : null,
        settle<Neighbour[]>(`${base}/neighbours?limit=5&radius_m=300`),
        settle<DeviceEvent[] | { events: DeviceEvent[] }>(`${base}/events?limit=12`),
      ]);
      if (number !== this.detailNumber) return;
      this.detail = {
        ...this.detail,
        history: history ?? this.detail.history,
        neighbours: neighbours ?? this.detail.neighbours,
        events: (Array.isArray(events) ? events : events?.events) ?? this.detail.events,
      };
    } catch (problem) {
      if (number === this.detailNumber) this.detail = { ...this.detail, error: problem instanceof Error ? problem.message : String(problem) };
    }
  }

  /** Where the selected thing (or the row under the keyboard) is. */
  get place(): [number, number] | null {
    const group = (this.selection ? this.selectedGroup : undefined) ?? this.group(this.cursor);
    const s = this.selection;
    if (s?.type === 'case' || (!s && this.cursor?.startsWith('case:'))) {
      const id = s ? s.id : Number(this.cursor!.slice(5));
      const row = this.cases.value?.cases.find((c) => c.id === id);
      return row && row.lon != null && row.lat != null ? [row.lon, row.lat] : null;
    }
    if ((s?.type === 'device' || s?.type === 'worker') && !group) {
      const rows = s.type === 'device' ? this.board.devices : this.board.workers;
      const row = rows.rowOf(s.id as number);
      if (row !== undefined) return [rows.position[3 * row], rows.position[3 * row + 1]];
      return this.detail.device ? [this.detail.device.lon, this.detail.device.lat] : null;
    }
    if (this.detail.thing) return [this.detail.thing.of.lon, this.detail.thing.of.lat];
    if (s?.type === 'building') return this.detail.building ? [this.detail.building.lon, this.detail.building.lat] : null;
    return group ? [group.lon, group.lat] : null;
  }

  fly(): void {
    const { place } = this;
    if (place) this.onFly(place[0], place[1]);
  }

  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.exporting) this.exporting = null;
    else if (this.alarmActs.of) this.alarmActs.leave();
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.searchOpen) this.searchOpen = false;
    else if (this.sheet) this.closeSheet();
    else if (this.selection) this.select(null);
    else if (this.expanded) this.expanded = null;
    else this.cursor = null;
  }

  /** Key of the group that can be opened to its sensors; one of a single sensor has nothing to open. */
  get expandable(): string | null {
    const group = this.group(this.cursor) ?? this.selectedGroup;
    return group && group.count > 1 ? group.key : null;
  }

  expand(): void {
    const key = this.expandable;
    if (key) this.expanded = this.expanded === key ? null : key;
  }

  // ---- acts -----------------------------------------------------------------------------------

  /** The group under the keyboard or of what is selected, where who is signed in may act on it. */
  private get actedGroup(): AlarmGroup | undefined {
    const group = this.group(this.cursor) ?? this.selectedGroup;
    return group && this.mayActOn(group) ? group : undefined;
  }

  mayActOn(group: AlarmGroup): boolean {
    return this.mayAcknowledge && group.may_acknowledge;
  }

  async acknowledge(): Promise<void> {
    const group = this.actedGroup;
    if (group) await this.alarmActs.acknowledge(group.group_id);
  }

  /** Ask for the reason and the end, or who put it aside; nothing is done before Enter. */
  shelve(): boolean {
    const group = this.actedGroup;
    if (!group) return false;
    this.alarmActs.begin({ group_id: group.group_id, title: groupTitle(this.lang, group), shelving: heldNow(group.shelving, this.now) });
    return true;
  }

  /** Ask who is affected when what is selected breaks or is shut, or show that no longer. */
  async toggleTrace(mode: TraceMode): Promise<void> {
    const s = this.selection;
    const shown = this.trace?.mode;
    this.trace = null;
    if (shown === mode || (s?.type !== 'network_line' && s?.type !== 'network_node')) return;
    try {
      const trace = await post<Trace>('/api/networks/trace', { start: { type: s.type === 'network_line' ? 'line' : 'node', id: s.id }, mode });
      if (this.selection === s) this.trace = trace;
    } catch (problem) {
      this.say(this.failed(problem));
    }
  }

  openLacking(): Promise<void> {
    return this.openList(LACKING, { zh: this.t('lackingCompounds'), en: this.t('lackingCompounds') }, '/api/compounds/lacking');
  }

  private refreshIdle(): void {
    void this.recent.refresh();
    void this.deviceGroups.refresh();
  }

  closeSheet(): void {
    this.sheet = null;
    if (this.idle) this.refreshIdle();
  }

  async openStat(stat: Stat): Promise<void> {
    if (stat.list) await this.openList(stat.key, { zh: stat.zh, en: stat.en }, stat.list);
  }

  /** Show the rows that a number was counted from. */
  async openList(key: string, title: Names, path: string): Promise<void> {
    this.sheet = { key, title, list: null, error: null };
    try {
      const list = await get<StatList>(`${path}?limit=200`);
      if (this.sheet?.key === key) this.sheet = { key, title, list, error: null };
    } catch (problem) {
      if (this.sheet?.key === key) this.sheet = { key, title, list: null, error: problem instanceof Error ? problem.message : String(problem) };
    }
  }
}
