/** Hold what the page of rules shows: the list, the rule that is open, and what is done with it. */
import { ApiError, get, post, put } from '../api/client.ts';
import type { Polygons, Rule, RuleContent, RuleList, RuleOptions, RuleRow } from '../api/rules_schema.ts';
import { clashes, differences, merged } from './rules/conflict.ts';
import { contentOfRow, faultsOf, formOf, sameContent } from './rules/form.ts';
import { OpenRule } from './rules/open_rule.svelte.ts';
import { inOne } from './rules/trial.ts';
import { TRIAL_MS, Trying } from './rules/trying.svelte.ts';
import { LivePage, type Selection } from './live_page.svelte.ts';
import { Resource, type AnyResource } from './resource.svelte.ts';

const PATH = '/api/rules';
const LIST_EVERY_S = 10;

export class Rules extends LivePage {
  readonly list = new Resource<RuleList>(PATH, (l) => l.rules.length === 0);
  readonly options = new Resource<RuleOptions>(`${PATH}/form`);
  filter = $state('');
  cursor = $state<number | null>(null);
  open = $state.raw<OpenRule | null>(null);
  /** Rules with something typed stay as they are while others are open. */
  private readonly kept = new Map<number, OpenRule>();
  tab = $state<'list' | 'map' | 'rule'>('list');

  readonly trying = new Trying(this);
  /** Grows with each rule that is asked for: only the last one is shown. */
  private wanted = 0;

  /** Corners of a polygon that is being drawn; null while none is. */
  drawing = $state.raw<[number, number][] | null>(null);
  onSee: (polygons: Polygons) => void = () => undefined;
  onFocus: (where: 'row' | 'filter' | 'form') => void = () => undefined;

  // ---- reading again --------------------------------------------------------------------------

  protected override get resources(): AnyResource[] {
    return [this.list, this.options];
  }

  protected override eachSecond(seconds: number): void {
    if (seconds % LIST_EVERY_S === 0) this.readEvents();
  }

  protected override readEvents(): void {
    void this.list.refresh();
    if (this.open?.id) void this.readOpen(this.open);
  }

  protected override forget(): void {
    this.kept.clear();
    this.open = null;
    this.trying.leave();
  }

  /** Read the open rule again: what others did is shown, what is typed here stays. */
  private async readOpen(open: OpenRule): Promise<void> {
    if (open.busy || open.isOld) return;
    try {
      const rule = await get<Rule>(`${PATH}/${open.id}`);
      if (open.busy || open.isOld) return;
      if (rule.version === open.version) open.kept = rule;
      else if (!open.dirty) open.fill(rule);
      else this.overtaken(open, rule);
    } catch {
      // the list says how old it is; the next read may succeed
    }
  }

  private overtaken(open: OpenRule, theirs: Rule): void {
    open.kept = theirs;
    // switched on or off meanwhile: nothing of what is typed is touched by that
    if (sameContent(contentOfRow(theirs), open.base)) {
      open.version = theirs.version;
      open.theirs = null;
    } else open.theirs = theirs;
  }

  // ---- list -----------------------------------------------------------------------------------

  get mayManage(): boolean {
    return !!this.list.value?.may_manage && this.signedOutAt === null;
  }

  readonly rows = $derived.by<RuleRow[]>(() => {
    const words = this.filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const said = (row: RuleRow) => [row.zh, row.en, row.words.zh, row.words.en, row.area?.name.zh, row.area?.name.en, ...row.kinds, row.property].join(' ').toLowerCase();
    return (this.list.value?.rules ?? []).filter((row) => words.every((word) => said(row).includes(word)));
  });

  isTyped(id: number): boolean {
    return !!(this.open?.id === id ? this.open : this.kept.get(id))?.dirty;
  }

  get anyTyped(): boolean {
    return [...this.kept.values()].some((one) => one.typed);
  }

  move(step: number): void {
    const ids = this.rows.map((row) => row.id);
    if (!ids.length) return;
    const at = ids.indexOf(this.cursor ?? this.open?.id ?? -1);
    this.cursor = ids[Math.max(0, Math.min(ids.length - 1, at < 0 ? (step > 0 ? 0 : ids.length - 1) : at + step))];
    this.onFocus('row');
  }

  openCursor(): void {
    const id = this.cursor ?? this.rows[0]?.id;
    if (id !== undefined) void this.openRule(id);
  }

  private show(open: OpenRule): void {
    this.wanted += 1;
    if (this.open && !this.open.typed) this.kept.delete(this.open.id);
    this.kept.set(open.id, open);
    if (this.open !== open) this.trying.leave();
    this.open = open;
    this.drawing = null;
    this.tab = 'rule';
    this.remember();
  }

  async openRule(id: number, version = 0): Promise<void> {
    this.cursor = id;
    const held = this.kept.get(id);
    if (held && !version && !held.isOld) {
      this.show(held);
      return this.readOpen(held);
    }
    const mine = ++this.wanted;
    try {
      const rule = await get<Rule>(`${PATH}/${id}${version ? `?version=${version}` : ''}`);
      // another was asked for meanwhile, or something was typed into this one
      if (mine !== this.wanted || this.kept.get(id)?.typed) return;
      const open = new OpenRule(id);
      open.fill(rule);
      this.show(open);
      if (open.form.polygons.length) this.onSee(open.form.polygons);
    } catch (problem) {
      if (mine === this.wanted) this.say(this.failed(problem));
    }
  }

  begin(): void {
    if (!this.mayManage) return;
    this.cursor = null;
    this.show(this.kept.get(0) ?? new OpenRule(0));
    this.onFocus('form');
  }

  /** Drop what is typed. */
  drop(): void {
    const { open } = this;
    if (!open) return;
    this.kept.delete(open.id);
    if (open.kept) open.fill(open.theirs ?? open.kept);
    else this.closeRule();
    open.reason = '';
    open.stopping = false;
  }

  closeRule(): void {
    this.wanted += 1;
    if (this.open && !this.open.typed) this.kept.delete(this.open.id);
    this.open = null;
    this.drawing = null;
    this.trying.leave();
    this.tab = 'list';
    this.remember();
  }

  private remember(): void {
    const query = new URLSearchParams(location.search);
    if (this.open?.id) query.set('rule', String(this.open.id));
    else query.delete('rule');
    history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  }

  recall(): void {
    const id = Number(new URLSearchParams(location.search).get('rule'));
    if (Number.isInteger(id) && id > 0) void this.openRule(id);
  }

  // ---- the open rule --------------------------------------------------------------------------

  readonly faults = $derived.by(() => (this.open ? faultsOf(this.open.form, this.options.value) : new Map<string, never>()));

  get mayEdit(): boolean {
    const { open } = this;
    return this.mayManage && !!open && (open.kept?.may_manage ?? true) && !open.isOld && !open.form.unknown;
  }

  readonly differences = $derived.by(() => (this.open?.theirs ? differences(this.open.base, this.open.content, contentOfRow(this.open.theirs)) : []));

  readonly clashes = $derived.by(() => (this.open?.theirs ? clashes(this.open.base, this.open.content, contentOfRow(this.open.theirs)) : []));

  /** Put my changes on what somebody else made of the rule; nothing is sent. */
  merge(): void {
    const { open } = this;
    if (!open?.theirs) return;
    const theirs = contentOfRow(open.theirs);
    const both = merged(open.base, open.content, theirs);
    const kept = open.theirs;
    open.fill(kept);
    open.form = formOf(both);
  }

  async save(): Promise<void> {
    const { open } = this;
    if (!open || open.busy || !this.mayEdit || this.faults.size || (open.id && !open.dirty)) return;
    if (open.theirs) {
      open.problem = this.t('ru_conflictFirst');
      return;
    }
    const { content, reason: typed } = open;
    const reason = typed.trim() || null;
    await this.act(open, content, async () => {
      const made = open.id ? await put<Rule>(`${PATH}/${open.id}`, { version: open.version, rule: content, reason }, { timeoutMs: TRIAL_MS }) : await post<Rule>(PATH, content);
      this.done(open, made, content, typed);
      this.say(this.t(open.id ? 'ru_saved' : 'ru_made', made.version));
    });
  }

  async turn(enabled: boolean): Promise<void> {
    const { open } = this;
    if (!open?.kept || open.busy || open.dirty || !this.mayEdit) return;
    const { content, reason: typed } = open;
    const reason = typed.trim() || null;
    if (!enabled && !reason) {
      open.stopping = true;
      return;
    }
    await this.act(open, content, async () => {
      const made = await post<Rule>(`${PATH}/${open.id}/switch`, { version: open.version, enabled, reason }, { timeoutMs: TRIAL_MS });
      open.stopping = false;
      this.done(open, made, content, typed);
      this.say(this.t(enabled ? 'ru_isOn' : 'ru_isOff', made.version));
    });
  }

  private done(open: OpenRule, made: Rule, content: RuleContent, reason: string): void {
    if (open.id) open.sent(made, content, reason);
    else {
      // the new rule has a number now
      this.kept.delete(0);
      const numbered = new OpenRule(made.id);
      numbered.form = open.form;
      numbered.sent(made, content, reason);
      this.kept.set(made.id, numbered);
      if (this.open === open) {
        this.open = numbered;
        this.cursor = made.id;
        this.remember();
      }
    }
    void this.list.refresh();
  }

  private async act(open: OpenRule, content: RuleContent, then: () => Promise<void>): Promise<void> {
    open.busy = true;
    open.problem = '';
    open.refused = false;
    try {
      await then();
    } catch (problem) {
      await this.refusedAct(open, content, problem);
    } finally {
      open.busy = false;
    }
  }

  private async refusedAct(open: OpenRule, content: RuleContent, problem: unknown): Promise<void> {
    if (problem instanceof ApiError && problem.status === 409 && problem.where === 'version') {
      try {
        this.overtaken(open, await get<Rule>(`${PATH}/${open.id}`));
      } catch {
        // what is typed stays; the server is asked again
      }
      open.problem = open.theirs ? '' : this.t('ru_overtaken');
      return;
    }
    open.problem = this.refusal(problem);
    // the server tried it on the last hours and says no: show on the map what it found
    open.refused = problem instanceof ApiError && problem.status === 422 && problem.where === 'rule';
    if (open.refused && this.open === open) {
      this.trying.hours = 24;
      void this.trying.try(content);
    }
  }

  /** Why the server refused, in the language of the page. */
  refusal(problem: unknown): string {
    if (!(problem instanceof ApiError)) return this.failed(problem);
    return [inOne(this.lang, problem.detail) || problem.message, inOne(this.lang, problem.hint)].filter(Boolean).join(this.lang === 'zh' ? '。' : '. ');
  }

  // ---- fence ----------------------------------------------------------------------------------

  setPolygons(polygons: Polygons): void {
    if (!this.open || !this.mayEdit) return;
    this.open.form.polygons = polygons;
    // changed by hand it is nobody's border any more
    this.open.form.border = { area: null, compound: null };
  }

  /** Take the border of an area; the server knows it, and the map shows it once the rule is saved. */
  takeBorder(area: string): void {
    if (!this.open || !this.mayEdit) return;
    this.open.form.polygons = [];
    this.open.form.border = { area, compound: null };
  }

  // ---- closing --------------------------------------------------------------------------------

  select(_selection: Selection | null): void {
    this.trying.episode = null;
  }

  close(): void {
    if (this.menuOpen) this.menuOpen = false;
    else if (this.helpOpen) this.helpOpen = false;
    else if (this.drawing) this.drawing = null;
    else if (this.trying.running) this.trying.end();
    else if (this.open?.stopping) this.open.stopping = false;
    else if (this.trying.episode !== null) this.trying.episode = null;
    else if (this.open) this.closeRule();
    else if (this.filter) this.filter = '';
    else this.cursor = null;
  }
}
