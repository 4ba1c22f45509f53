/** Try the rule that is open on history, and hold what that found. */
import { post } from '../../api/client.ts';
import type { RuleContent, RuleTrial } from '../../api/rules_schema.ts';
import type { Rules } from '../rules.svelte.ts';
import { sameContent } from './form.ts';

/** A trial ends by itself after 25 s; saving and switching on make one. */
export const TRIAL_MS = 45_000;
export const PERIODS_H = [24, 168, 744] as const;

export class Trying {
  private readonly rules: Rules;
  hours = $state<(typeof PERIODS_H)[number]>(24);
  found = $state.raw<RuleTrial | null>(null);
  /** The rule that was tried, to tell when the form has gone on since. */
  private tried = $state.raw<RuleContent | null>(null);
  running = $state(false);
  problem = $state('');
  episode = $state<number | null>(null);
  private number = 0;
  private ending: AbortController | null = null;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  /** What was tried is no longer what stands in the form. */
  readonly outdated = $derived.by(() => !!this.tried && !!this.rules.open && !sameContent({ ...this.tried, zh: '', en: '' }, { ...this.rules.open.content, zh: '', en: '' }));

  leave(): void {
    this.end();
    this.found = this.tried = this.episode = null;
    this.problem = '';
  }

  end(): void {
    this.number += 1;
    this.ending?.abort();
    this.ending = null;
    this.running = false;
  }

  get may(): boolean {
    return this.rules.mayManage && !!this.rules.open && !this.running && !this.faulty;
  }

  /** A trial needs no names. */
  private get faulty(): boolean {
    return [...this.rules.faults.keys()].some((field) => field !== 'zh' && field !== 'en');
  }

  async try(content = this.rules.open?.content): Promise<void> {
    if (!content || !this.rules.mayManage || this.running || this.faulty) return;
    const mine = ++this.number;
    this.ending = new AbortController();
    this.running = true;
    this.problem = '';
    const to = this.rules.now;
    const name = this.rules.t('ru_new');
    const rule = { ...content, zh: content.zh || name, en: content.en || name };
    try {
      const found = await post<RuleTrial>('/api/rules/try', { rule, from: new Date(to - this.hours * 3_600_000).toISOString(), to: new Date(to).toISOString() }, { signal: this.ending.signal, timeoutMs: TRIAL_MS });
      if (mine !== this.number) return;
      this.found = found;
      this.tried = content;
      this.episode = null;
    } catch (problem) {
      if (mine !== this.number) return;
      this.problem = this.rules.refusal(problem);
    }
    this.running = false;
  }

  choose(at: number): void {
    const found = this.found?.episodes[at];
    if (!found) return;
    this.episode = at;
    if (this.rules.tab === 'list') this.rules.tab = 'map';
    this.rules.onFly(found.lon, found.lat);
  }
}
