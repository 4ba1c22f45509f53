/** Hold what the page of maintenance windows shows: those that run and are to come, one that is read, one that is written. */
import { post } from '../api/client.ts';
import type { MaintenanceWindow } from '../api/maintenance_schema.ts';
import type { Polygons } from '../api/rules_schema.ts';
import { LivePage, type Selection } from './live_page.svelte.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';
import { emptyWindow, standing, windowBody, windowFault, windowRefused, type WindowDraft, type WindowFault } from './windows.ts';

const PATH = '/api/maintenance';
const LIST_EVERY_S = 10;
const ALARMS_EVERY_S = 30;

export class Maintenance extends LivePage {
  readonly list = new Resource<MaintenanceWindow[]>(PATH, (l) => l.length === 0);
  /** Row under the keyboard. */
  cursor = $state<number | null>(null);
  private openId = $state<number | null>(null);
  /** What is typed of a new window; it stays while another is read. */
  draft = $state.raw<WindowDraft | null>(null);
  /** The new window is shown, not one that was set. */
  writing = $state(false);
  /** Somebody is asked whether the open window is to end now. */
  ending = $state(false);
  busy = $state(false);
  fault = $state<WindowFault | null>(null);
  refusal = $state('');
  /** Corners of a border that is being drawn; null while none is. */
  drawing = $state.raw<[number, number][] | null>(null);
  tab = $state<'list' | 'map' | 'window'>('list');
  onSee: (polygons: Polygons) => void = () => undefined;
  onFocus: (where: 'row' | 'form' | 'fault') => void = () => undefined;

  protected override get resources(): AnyResource[] {
    return [this.list, this.alarms];
  }

  protected override eachSecond(seconds: number): void {
    if (seconds % LIST_EVERY_S === 0) void this.list.refresh();
    if (seconds % ALARMS_EVERY_S === 0) void this.alarms.refresh();
  }

  protected override readEvents(): void {
    void this.list.refresh();
    void this.alarms.refresh();
  }

  protected override forget(): void {
    this.openId = null;
    this.draft = null;
    this.writing = this.ending = false;
  }

  select(_selection: Selection | null): void {
    this.openId = null;
  }

  get mayPlan(): boolean {
    return this.may('rule.manage');
  }

  /** Those that run, then those to come, the next one first; one that is over by the clock is gone. */
  readonly rows = $derived.by<MaintenanceWindow[]>(() => (this.list.value ?? []).filter((row) => standing(row, this.now) !== 'over'));

  readonly open = $derived.by<MaintenanceWindow | null>(() => (this.writing ? null : (this.rows.find((row) => row.id === this.openId) ?? null)));

  get polygons(): Polygons {
    if (this.writing) return this.draft?.polygons ?? [];
    return this.open?.polygon ? [this.open.polygon.coordinates] : [];
  }

  move(step: number): void {
    const ids = this.rows.map((row) => row.id);
    if (!ids.length) return;
    const at = ids.indexOf(this.cursor ?? this.openId ?? -1);
    this.cursor = ids[Math.max(0, Math.min(ids.length - 1, at < 0 ? (step > 0 ? 0 : ids.length - 1) : at + step))];
    this.onFocus('row');
  }

  openWindow(id: number | undefined = this.cursor ?? this.rows[0]?.id): void {
    if (id === undefined) return;
    this.cursor = this.openId = id;
    this.writing = this.ending = false;
    this.refusal = '';
    this.drawing = null;
    this.tab = 'window';
    if (this.polygons.length) this.onSee(this.polygons);
  }

  // ---- a new window ---------------------------------------------------------------------------

  begin(): void {
    if (!this.mayPlan) return;
    this.draft ??= emptyWindow(this.now, this.scene?.timezone);
    this.writing = true;
    this.tab = 'window';
    this.onFocus('form');
  }

  tell(part: Partial<WindowDraft>): void {
    if (!this.draft) return;
    this.draft = { ...this.draft, ...part };
    this.fault = null;
    this.refusal = '';
  }

  setPolygons(polygons: Polygons): void {
    // the server narrows a window to one border
    if (this.writing) this.tell({ polygons: polygons.slice(-1) });
  }

  drop(): void {
    this.draft = null;
    this.fault = null;
    this.refusal = '';
    this.closeWindow();
  }

  async save(): Promise<void> {
    const { draft } = this;
    if (!this.writing || !draft || this.busy) return;
    const zone = this.scene?.timezone;
    this.fault = windowFault(draft, this.now, zone);
    if (this.fault) return this.onFocus('fault');
    await this.act(async () => {
      const made = await post<MaintenanceWindow>(PATH, windowBody(draft, zone));
      this.draft = null;
      this.writing = false;
      await this.list.refresh();
      this.openWindow(made.id);
      this.say(this.t('mw_set'));
    });
  }

  // ---- ending one -----------------------------------------------------------------------------

  askEnd(): boolean {
    if (!this.open?.may_end || !this.mayPlan) return false;
    this.ending = true;
    return true;
  }

  async end(): Promise<void> {
    const { open } = this;
    if (!open || !this.ending || this.busy) return;
    await this.act(async () => {
      await post(`${PATH}/${open.id}/end`);
      this.ending = false;
      this.say(this.t('mw_ended'));
      this.closeWindow();
    });
    void this.list.refresh();
  }

  private async act(then: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.refusal = '';
    try {
      await then();
    } catch (problem) {
      const key = windowRefused(problem);
      this.refusal = key ? this.t(key) : this.failed(problem);
    } finally {
      this.busy = false;
    }
  }

  // ---- closing --------------------------------------------------------------------------------

  closeWindow(): void {
    this.openId = null;
    this.writing = this.ending = false;
    this.drawing = null;
    this.tab = 'list';
    this.onFocus('row');
  }

  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.drawing) this.drawing = null;
    else if (this.ending) this.ending = false;
    else if (this.writing || this.open) this.closeWindow();
    else this.cursor = null;
  }
}
