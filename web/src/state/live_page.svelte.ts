/** Hold what every page with the live map has in common: the scene, who looks, what is read again and again, notes. */
import { ApiError, get, onSignedOut, post } from '../api/client.ts';
import type { JournalEvent } from '../api/socket.ts';
import type { Alarms, Catalog, DeviceKind, Health, LayerSpec, LegendEntry, Scene, Timeline } from '../api/schema.ts';
import { failure, langOf, say, type Key, type Lang } from '../i18n/index.ts';
import { LiveFeed } from './live_feed.svelte.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';
import { isScreen, onSignedIn, Session, toSignIn } from './session.svelte.ts';
import type { ThingType } from './things.ts';

export interface Selection {
  type: 'device' | 'worker' | 'building' | 'case' | 'group' | ThingType;
  id: number | string;
}

/** A question that failed is asked again so soon, s. */
const RETRY_S = 5;
/** A screen without a person asks so often whether it may go on, s. */
const SCREEN_ASKS_S = 15;
/** A connection that is back sooner is not spoken of, s. */
const OUTAGE_AFTER_S = 3;
const EVENT_DEBOUNCE_MS = 250;

export abstract class LivePage extends LiveFeed {
  lang = $state<Lang>('zh');
  scene = $state.raw<Scene | null>(null);
  catalog = $state.raw<Catalog | null>(null);
  layers = $state.raw<LayerSpec | null>(null);
  startError = $state<string | null>(null);
  /** The roles of the account do not let it see the page at all. */
  refused = $state(false);

  readonly alarms = new Resource<Alarms>('/api/alarms?state=open', (a) => a.groups.length === 0);
  readonly timeline = new Resource<Timeline>('/api/timeline?hours=24&step_min=10');

  toggles = $state<Record<string, boolean>>({ heat: true, camera_field: true, component: false, network: false, compound: false });
  helpOpen = $state(false);
  searchOpen = $state(false);
  menuOpen = $state(false);
  note = $state('');
  problems = $state.raw<string[]>([]);
  contextLost = $state(false);
  /** The map did not come back by itself. */
  mapStuck = $state(false);
  demo = $state(false);

  readonly session = new Session();
  /** Since when the server no longer knows who asks, ms since 1970: what is shown is from then. */
  signedOutAt = $state<number | null>(null);
  /** What is held was read with other rights, and could not be read anew yet. */
  private rightsDue = false;

  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private readonly ends: (() => void)[] = [];
  private noteTimer: ReturnType<typeof setTimeout> | undefined;
  private eventTimer: ReturnType<typeof setTimeout> | undefined;
  private seconds = 0;
  /** Set by the page: what its map does with a flight. */
  onFly: (lon: number, lat: number) => void = () => undefined;
  onReset: () => void = () => undefined;
  /** Other things may be seen than before: what the map holds is of no use. */
  onRights: () => void = () => undefined;

  constructor() {
    super();
    this.lang = langOf(location.search, localStorage.getItem('lang'));
  }

  /** All that is asked for again and again. */
  protected abstract get resources(): AnyResource[];
  /** Read again what is due, so many seconds after the start. */
  protected abstract eachSecond(seconds: number): void;
  /** Read again what an alarm or a case may have changed; many events make one call. */
  protected abstract readEvents(): void;
  /** Drop what is held besides the resources. */
  protected abstract forget(): void;
  abstract select(selection: Selection | null): void;

  /** Something of the first read, or of one with other rights, has come. */
  protected arrived(): void {}

  /** An event of an alarm or a case. */
  protected heard(_event: JournalEvent): void {}

  /** Events may not have been heard. */
  protected missed(): void {}

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
        this.board.moving = new Set(catalog.device_kinds.filter((k) => k.moves).map((k) => k.code));
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
    this.connect(this.scene.live.path, {
      ticket: async () => (await post<{ ticket: string }>('/api/live/ticket')).ticket,
      signedOut: () => void this.ended(),
      rightsChanged: () => void this.rightsChanged(),
      event: (event) => {
        if (!event.kind.startsWith('alarm') && !event.kind.startsWith('case')) return;
        this.heard(event);
        this.refreshEvents();
      },
      missed: () => {
        this.missed();
        this.refreshEvents();
      },
      error: (detail) => this.report(detail),
    });
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
    for (const end of this.ends) end();
    clearTimeout(this.noteTimer);
    clearTimeout(this.eventTimer);
    this.disconnect();
  }

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
    this.eachSecond(this.seconds);
  }

  protected refreshAll(): void {
    for (const resource of this.resources) void resource.refresh().then(() => this.arrived());
  }

  /** Many events make one read. */
  protected refreshEvents(): void {
    if (this.eventTimer) return;
    this.eventTimer = setTimeout(() => {
      this.eventTimer = undefined;
      this.readEvents();
    }, EVENT_DEBOUNCE_MS);
  }

  // ---- who looks ------------------------------------------------------------------------------

  /** People who open the page signed out go to sign in; one that was on stands still behind the door, and says so. */
  private signedOut(): void {
    if (!this.scene && !isScreen()) toSignIn();
    else if (this.signedOutAt === null) {
      this.signedOutAt = Date.now();
      this.menuOpen = this.helpOpen = this.searchOpen = false;
      this.disconnect();
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
      this.searchOpen = false;
      this.forget();
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

  /** The connection has been lost for so long, or nobody is signed in: nothing on screen may look live. */
  override get lost(): boolean {
    return this.signedOutAt !== null || super.lost;
  }

  /** Nothing live comes since a while, and not because nobody is signed in: that is said. */
  get outage(): boolean {
    return this.connection !== 'live' && this.lostS > OUTAGE_AFTER_S && this.signedOutAt === null;
  }

  may(act: string): boolean {
    return this.signedOutAt === null && this.session.may(act);
  }

  get mayAcknowledge(): boolean {
    return this.may('alarm.acknowledge');
  }

  get mayLook(): boolean {
    return this.may('camera.look');
  }

  get mayReveal(): boolean {
    return this.may('person.reveal');
  }

  // ---- what is shown --------------------------------------------------------------------------

  kind(code: number): DeviceKind | undefined {
    return this.catalog?.device_kinds.find((k) => k.code === code);
  }

  kindByName(name: string | undefined): DeviceKind | undefined {
    return this.catalog?.device_kinds.find((k) => k.name === name);
  }

  get legend(): LegendEntry[] {
    return this.layers?.legend ?? [];
  }

  toggle(name: string): void {
    this.toggles = { ...this.toggles, [name]: !this.toggles[name] };
  }

  setLang(lang: Lang): void {
    this.lang = lang;
    localStorage.setItem('lang', lang);
    document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  }

  /** One line at the foot for a few seconds. */
  say(text: string): void {
    this.note = text;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (this.note = ''), 5000);
  }

  /** Something went wrong that people should know of, without taking the page down. */
  report(detail: string): void {
    if (this.problems.includes(detail)) return;
    this.problems = [...this.problems, detail].slice(-3);
    setTimeout(() => (this.problems = this.problems.filter((p) => p !== detail)), 15_000);
  }
}
