/** Hold one rule that is looked at or changed: what it was, what is typed, what somebody else made of it. */
import type { Rule, RuleContent } from '../../api/rules_schema.ts';
import { contentOf, contentOfRow, emptyForm, formOf, sameContent, type RuleForm } from './form.ts';

/** A rule that is looked at or changed; `id` 0 is the new one. */
export class OpenRule {
  readonly id: number;
  /** As the server has it; null for a new one. */
  kept = $state.raw<Rule | null>(null);
  /** What the form began with: mine is what differs from it. */
  base = $state.raw<RuleContent>(contentOf(emptyForm()));
  /** The version that the form began with. */
  version = $state(0);
  form = $state<RuleForm>(emptyForm());
  /** The newest one, where somebody else made it while something was typed here. */
  theirs = $state.raw<Rule | null>(null);
  reason = $state('');
  /** The reason for switching off is being asked for. */
  stopping = $state(false);
  busy = $state(false);
  problem = $state('');
  /** The server tried it and refused to have it on. */
  refused = $state(false);

  constructor(id: number) {
    this.id = id;
  }

  readonly content = $derived.by(() => contentOf(this.form));

  get dirty(): boolean {
    return !sameContent(this.content, this.base);
  }

  get isOld(): boolean {
    return !!this.kept && this.kept.version !== this.kept.newest;
  }

  /** Something stands here that would be lost. */
  get typed(): boolean {
    return this.dirty || !!this.reason.trim();
  }

  /** Take what the server made of what was sent; what was typed since stays, as a change of that. */
  sent(made: Rule, content: RuleContent, reason: string): void {
    const { form } = this;
    const goneOn = !sameContent(this.content, content);
    this.fill(made);
    if (goneOn) this.form = form;
    if (this.reason === reason) this.reason = '';
  }

  fill(rule: Rule): void {
    this.kept = rule;
    this.base = contentOfRow(rule);
    this.version = rule.version;
    this.form = formOf(this.base);
    this.theirs = null;
    this.problem = '';
    this.refused = false;
  }
}
