/** Hold what the wall shows: answers of the API, the live board, selection, switches and clock. */
import { ApiError, get, onSignedOut, post } from '../api/client.ts';
import { LiveSocket, type Ages, type Connection, type JournalEvent, type TilesChanged, type Viewport } from '../api/socket.ts';
import type {
  AlarmGroup,
  Alarms,
  BuildingDetail,
  Cases,
  Catalog,
  CityEvent,
  DeviceDetail,
  DeviceEvent,
  DeviceGroup,
  DeviceKind,
  Health,
  History,
  LegendEntry,
  LayerSpec,
  Names,
  Neighbour,
  Scene,
  Stat,
  StatList,
  Timeline,
  Trace,
  TraceMode,
} from '../api/schema.ts';
import { failure, langOf, say, type Key, type Lang } from '../i18n/index.ts';
import { stateCode } from '../look/palette.ts';
import { CameraLook } from './camera_look.svelte.ts';
import { presetOf, type Preset } from './exporting.ts';
import { focusProperty } from './groups.ts';
import { LiveBoard, type Commit } from './live.ts';
import { isThing, THING_PATHS, type Thing, type ThingType } from './things.ts';
import { Resource } from './resource.svelte.ts';
import { isScreen, onSignedIn, Session, toSignIn } from './session.svelte.ts';
import { freshness, LOST_AFTER_S, type LayerFreshness } from './staleness.ts';

export interface Selection {
  type: 'device' | 'worker' | 'building' | 'case' | 'group' | ThingType;
  id: number | string;
}

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
/** A question that failed is asked again so soon, s. */
const RETRY_S = 5;
/** A screen without a person asks so often whether it may go on, s. */
const SCREEN_ASKS_S = 15;
const EVENT_DEBOUNCE_MS = 250;

export class Wall {
  lang = $state<Lang>('zh');
  scene = $state.raw<Scene | null>(null);
  catalog = $state.raw<Catalog | null>(null);
  layers = $state.raw<LayerSpec | null>(null);
  startError = $state<string | null>(null);
  /** The roles of the account do not let it see the wall at all. */
  refused = $state(false);

  readonly alarms = new Resource<Alarms>('/api/alarms?state=open', (a) => a.groups.length === 0);
  readonly cameraLook = new CameraLook();
  readonly cases = new Resource<Cases>('/api/cases?open=true', (c) => c.cases.length === 0);
  readonly stats = new Resource<Stat[]>('/api/stats');
  readonly recent = new Resource<CityEvent[]>('/api/journal?limit=40', (e) => e.length === 0);
  readonly deviceGroups = new Resource<DeviceGroup[]>('/api/groups', (g) => g.length === 0);
  readonly timeline = new Resource<Timeline>('/api/timeline?hours=24&step_min=10');

  connection = $state<Connection>('connecting');
  connectionDetail = $state('');
  ages = $state.raw<Ages | null>(null);
  private agesAt = $state(0);
  private lostAt = $state<number | null>(Date.now());
  /** Milliseconds since 1970 by the server's clock; ticks each second. */
  now = $state(Date.now());
  mode = $state<'points' | 'cells'>('points');
  /** Devices in view by state code; grows with each commit, read at most twice a second. */
  counts = $state.raw<number[]>([0, 0, 0, 0, 0, 0]);

  selection = $state.raw<Selection | null>(null);
  detail = $state.raw<Detail>(EMPTY_DETAIL);
  /** Who is affected by a break of the selected line or node; null while nobody asked. */
  trace = $state.raw<Trace | null>(null);
  /** Row under the keyboard in the left rail: key of a group, or case:<id>. */
  cursor = $state<string | null>(null);
  expanded = $state<string | null>(null);
  toggles = $state<Record<string, boolean>>({ heat: true, camera_field: true, component: false, network: false, compound: false });
  sheet = $state.raw<{ key: string; title: Names; list: StatList | null; error: string | null } | null>(null);
  helpOpen = $state(false);
  searchOpen = $state(false);
  /** The dialog of exports is open, with what was looked at when it was opened. */
  exporting = $state.raw<Preset | null>(null);
  note = $state('');
  problems = $state.raw<string[]>([]);
  contextLost = $state(false);
  /** The map did not come back by itself. */
  mapStuck = $state(false);
  demo = $state(false);
  tab = $state<'map' | 'alarms' | 'cases' | 'today' | 'details'>('map');
  /** Keys of groups that have become critical since the page opened. */
  freshCritical = $state.raw<ReadonlySet<string>>(new Set());
  /** Live value of the selected device, between two reads of its details. */
  liveValue = $state.raw<{ value: number; state: number } | null>(null);

  readonly session = new Session();
  /** Since when the server no longer knows who asks, ms since 1970: what is shown is from then. */
  signedOutAt = $state<number | null>(null);
  menuOpen = $state(false);
  /** What is held was read with other rights, and could not be read anew yet. */
  private rightsDue = false;

  readonly board: LiveBoard;
  private socket: LiveSocket | null = null;
  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private readonly ends: (() => void)[] = [];
  private noteTimer: ReturnType<typeof setTimeout> | undefined;
  private eventTimer: ReturnType<typeof setTimeout> | undefined;
  private detailNumber = 0;
  private countsDue = false;
  private knownGroups: Set<string> | null = null;
  /** Set by the page: what the map does with a commit, a tile change, a flight. */
  onCommit: (change: Commit) => void = () => undefined;
  onTiles: (change: TilesChanged) => void = () => undefined;
  onFly: (lon: number, lat: number) => void = () => undefined;
  onReset: () => void = () => undefined;
  /** Other things may be seen than before: what the map holds is of no use. */
  onRights: () => void = () => undefined;

  constructor() {
    this.lang = langOf(location.search, localStorage.getItem('lang'));
    this.board = new LiveBoard(
      (change) => this.commit(change),
      (run) => (document.hidden ? setTimeout(run, 250) : requestAnimationFrame(run)),
    );
  }

  t = (key: Key, ...args: (string | number)[]): string => say(this.lang, key, ...args);

  failed = (problem: unknown): string => failure(this.lang, problem instanceof Error ? problem.message : String(problem));

  /** Why a part of the page has nothing to show. */
  why = (resource: { refused: boolean; error: string | null }): string => (resource.refused ? this.t('notForRole') : this.failed(resource.error ?? ''));

  // ---- start and stop -------------------------------------------------------------------------

  async start(): Promise<void> {
    this.timers.push(setInterval(() => this.tick(), 1000));
    onSignedOut(() => this.signedOut());
    for (let attempt = 0; ; attempt++) {
      try {
        await this.session.read();
        if (this.signedOutAt !== null) return location.reload();
        const [scene, catalog, layers, health] = await Promise.all([get<Scene>('/api/scene'), get<Catalog>('/api/catalog'), get<LayerSpec>('/api/layers'), get<Health>('/api/health')]);
        this.demo = !!health.demo || this.session.account!.demo;
        this.scene = scene;
        this.catalog = catalog;
        this.layers = layers;
        this.startError = null;
        break;
      } catch (problem) {
        const over = problem instanceof ApiError && problem.status === 401;
        if (over && !isScreen()) return; // on the way to sign in
        this.refused = problem instanceof ApiError && problem.status === 403;
        if (this.refused) return;
        this.startError = over ? null : problem instanceof Error ? problem.message : String(problem);
        await new Promise((go) => setTimeout(go, Math.min(10_000, 1000 * 2 ** attempt)));
      }
    }
    this.signedOutAt = null;
    this.ends.push(this.session.idle.start(), onSignedIn(() => void (this.signedOutAt !== null && location.reload())));
    this.refreshAll();
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.socket = new LiveSocket(
      { url: `${scheme}//${location.host}${this.scene.live.path}`, layers: ['devices', 'workers'], ticket: async () => (await post<{ ticket: string }>('/api/live/ticket')).ticket },
      {
        signedOut: () => void this.ended(),
        rightsChanged: () => void this.rightsChanged(),
        connection: (state, detail) => this.connected(state, detail),
        subscribed: (answer) => {
          this.mode = answer.mode;
          this.board.subscribed(answer.mode, answer.resumed);
        },
        frame: (frame) => this.board.frame(frame),
        ages: (ages) => {
          this.ages = ages;
          this.agesAt = Date.now();
        },
        event: (event) => this.journal(event),
        gap: () => this.refreshEvents(),
        tiles: (change) => this.onTiles(change),
        error: (detail) => this.report(detail),
      },
    );
    this.socket.start();
    window.addEventListener('online', this.hurry);
    window.addEventListener('offline', this.suspect);
    document.addEventListener('visibilitychange', this.hurry);
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
    for (const end of this.ends) end();
    clearTimeout(this.noteTimer);
    clearTimeout(this.eventTimer);
    window.removeEventListener('online', this.hurry);
    window.removeEventListener('offline', this.suspect);
    document.removeEventListener('visibilitychange', this.hurry);
    this.socket?.stop();
  }

  private readonly hurry = (): void => {
    if (!document.hidden) this.socket?.hurry();
  };

  private readonly suspect = (): void => this.socket?.suspect();

  private seconds = 0;

  private tick(): void {
    if (this.signedOutAt === null) this.now = Date.now() + this.board.clockOffsetS * 1000;
    if (!this.scene || document.hidden) return;
    this.seconds += 1;
    if (this.signedOutAt !== null) {
      if (isScreen() && this.seconds % SCREEN_ASKS_S === 0) void this.session.read().then(() => location.reload(), () => undefined);
      return;
    }
    if (this.session.idle.leftS === 0) return; // over by our clock: the server is being asked
    if (this.rightsDue && this.connection === 'live' && this.seconds % RETRY_S === 0) void this.rightsChanged();
    for (const resource of this.resources)
      if (resource.error && !resource.refused && this.seconds % RETRY_S === 0) void resource.refresh();
    if (this.seconds % EVERY_S.alarms === 0) void this.alarms.refresh().then(() => this.noticeNew());
    if (this.seconds % EVERY_S.cases === 0) void this.cases.refresh();
    if (this.seconds % EVERY_S.stats === 0) void this.stats.refresh();
    if (this.seconds % EVERY_S.timeline === 0) void this.timeline.refresh();
    // what nobody sees is not asked for
    if (this.idle && this.seconds % EVERY_S.recent === 0) void this.recent.refresh();
    if (this.idle && this.seconds % EVERY_S.groups === 0) void this.deviceGroups.refresh();
    if (this.seconds % EVERY_S.detail === 0 && this.selection) void this.readDetail(false);
  }

  private get resources() {
    return [this.alarms, this.cases, this.stats, this.timeline, this.recent, this.deviceGroups];
  }

  private refreshAll(): void {
    for (const resource of this.resources) void resource.refresh().then(() => this.noticeNew());
  }

  // ---- who looks ------------------------------------------------------------------------------

  /** People who open the wall signed out go to sign in; a wall that was on stands still behind the door, and says so. */
  private signedOut(): void {
    if (!this.scene && !isScreen()) toSignIn();
    else if (this.signedOutAt === null) {
      this.signedOutAt = Date.now();
      this.menuOpen = this.helpOpen = this.searchOpen = false;
      this.socket?.stop();
    }
  }

  /** The server closed the door of the live socket: find out whether somebody is signed in yet, or again. */
  private async ended(): Promise<void> {
    try {
      await this.session.read();
      location.reload();
    } catch (problem) {
      if (!(problem instanceof ApiError && problem.status === 401)) setTimeout(() => void this.ended(), RETRY_S * 1000);
    }
  }

  /** What is held was read with other rights: drop it all, then read what may be seen now. A closed account has none. */
  private async rightsChanged(): Promise<void> {
    this.rightsDue = true;
    try {
      await this.session.read();
      this.board.clear();
      this.select(null);
      this.sheet = null;
      this.searchOpen = false;
      this.exporting = null;
      this.knownGroups = null;
      for (const resource of this.resources) resource.forget();
      this.refreshAll();
      this.layers = await get<LayerSpec>('/api/layers');
      this.scene = await get<Scene>('/api/scene');
      this.onRights();
      this.rightsDue = false;
      this.say(this.t('rightsChanged'));
    } catch {
      // signed out, or the server is away: the socket asks on
    }
  }

  get mayAcknowledge(): boolean {
    return this.signedOutAt === null && this.session.may('alarm.acknowledge');
  }

  get mayExport(): boolean {
    return this.signedOutAt === null && this.session.may('data.export');
  }

  get mayLook(): boolean {
    return this.signedOutAt === null && this.session.may('camera.look');
  }

  openExport(): void {
    const { device } = this.detail;
    const shown = this.selection?.type === 'device' && device ? { id: device.id, name: device.name ?? device.uid } : null;
    this.exporting = presetOf(this.sheet, shown);
  }

  get mayReveal(): boolean {
    return this.signedOutAt === null && this.session.may('person.reveal');
  }

  // ---- live -----------------------------------------------------------------------------------

  private connected(state: Connection, detail: string): void {
    this.connection = state;
    this.connectionDetail = detail;
    if (state === 'live') {
      if (this.lostAt !== null) this.refreshEvents();
      this.lostAt = null;
    } else this.lostAt ??= Date.now();
  }

  get lostS(): number {
    void this.now;
    return this.lostAt === null ? 0 : (Date.now() - this.lostAt) / 1000;
  }

  /** The connection has been lost for so long, or nobody is signed in: nothing on screen may look live. */
  get lost(): boolean {
    return this.signedOutAt !== null || this.lostS > LOST_AFTER_S;
  }

  layer(name: string): LayerFreshness {
    void this.now;
    return freshness(this.ages?.layers[name], this.connection, this.agesAt ? (Date.now() - this.agesAt) / 1000 : 0, this.lostS);
  }

  look(viewport: Viewport): void {
    this.socket?.look(viewport);
  }

  socketGaps(): number {
    return this.socket?.gaps ?? 0;
  }

  socketPosition(): { epoch: number | null; tick: number | null; journal: number | null } {
    return this.socket?.position ?? { epoch: null, tick: null, journal: null };
  }

  private commit(change: Commit): void {
    this.onCommit(change);
    if (!this.countsDue) {
      this.countsDue = true;
      setTimeout(() => {
        this.countsDue = false;
        this.counts = [...this.board.devices.counts];
        this.readLiveValue();
      }, 500);
    }
  }

  private readLiveValue(): void {
    if (this.selection?.type !== 'device') return;
    const row = this.board.devices.rowOf(this.selection.id as number);
    if (row === undefined) return;
    const { value, state } = this.board.devices;
    if (this.liveValue?.value !== value[row] || this.liveValue.state !== state[row]) this.liveValue = { value: value[row], state: state[row] };
  }

  private journal(event: JournalEvent): void {
    if (event.kind.startsWith('alarm') || event.kind.startsWith('case')) this.refreshEvents();
  }

  /** Nothing is opened: the right rail tells of the whole city. */
  get idle(): boolean {
    return !this.selection && !this.sheet;
  }

  /** Many events make one read. */
  private refreshEvents(): void {
    if (this.eventTimer) return;
    this.eventTimer = setTimeout(() => {
      this.eventTimer = undefined;
      void this.alarms.refresh().then(() => this.noticeNew());
      void this.cases.refresh();
      void this.stats.refresh();
      if (this.idle) void this.recent.refresh();
    }, EVENT_DEBOUNCE_MS);
  }

  private noticeNew(): void {
    const groups = this.alarms.value?.groups;
    if (!groups) return;
    const critical = groups.filter((g) => stateCode(g.state) === 5).map((g) => g.key);
    if (this.knownGroups) {
      const fresh = critical.filter((key) => !this.knownGroups!.has(key));
      if (fresh.length) this.freshCritical = new Set([...[...this.freshCritical].filter((key) => critical.includes(key)), ...fresh]);
    }
    this.knownGroups = new Set(critical);
    if (this.cursor && !this.rows.includes(this.cursor)) this.cursor = null;
  }

  kind(code: number): DeviceKind | undefined {
    return this.catalog?.device_kinds.find((k) => k.code === code);
  }

  kindByName(name: string | undefined): DeviceKind | undefined {
    return this.catalog?.device_kinds.find((k) => k.name === name);
  }

  get legend(): LegendEntry[] {
    return this.layers?.legend ?? [];
  }

  // ---- selection ------------------------------------------------------------------------------

  /** Keys of the rows of the left rail in the order in which they are listed. */
  get rows(): string[] {
    return [...(this.alarms.value?.groups ?? []).map((g) => g.key), ...(this.cases.value?.cases ?? []).map((c) => `case:${c.id}`)];
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
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.searchOpen) this.searchOpen = false;
    else if (this.sheet) this.closeSheet();
    else if (this.selection) this.select(null);
    else if (this.expanded) this.expanded = null;
    else this.cursor = null;
  }

  toggle(name: string): void {
    this.toggles = { ...this.toggles, [name]: !this.toggles[name] };
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

  setLang(lang: Lang): void {
    this.lang = lang;
    localStorage.setItem('lang', lang);
    document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  }

  // ---- acts -----------------------------------------------------------------------------------

  async acknowledge(): Promise<void> {
    const group = this.group(this.cursor) ?? this.selectedGroup;
    if (!group || !this.mayAcknowledge) return;
    try {
      const answer = await post<{ acknowledged: number; already: number }>('/api/alarms/acknowledge', { alarm_ids: group.members.map((m) => m.alarm_id) });
      this.say(answer.acknowledged ? this.t('ackDone', answer.acknowledged) : this.t('ackNone'));
      await this.alarms.refresh();
    } catch (problem) {
      this.say(this.failed(problem));
    }
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

  /** One line at the foot for a few seconds. */
  say(text: string): void {
    this.note = text;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (this.note = ''), 5000);
  }

  /** Something went wrong that people should know of, without taking the page down. */
  report(detail: string): void {
    if (this.problems.at(-1) === detail) return;
    this.problems = [...this.problems, detail].slice(-3);
    setTimeout(() => (this.problems = this.problems.filter((p) => p !== detail)), 15_000);
  }
}
