/** Do something with the open case: begin, tell, confirm, and what to do where somebody else was first. */
import { ApiError, post } from '../../api/client.ts';
import type { Move, Told } from '../../api/case_schema.ts';
import type { CasePage } from '../case_page.svelte.ts';
import { withNote } from './model.ts';
import { fieldsOf, handlerOf, missing, type Draft } from './moves.ts';
import type { OpenCase } from './open_case.svelte.ts';

export class Acts {
  private readonly desk: CasePage;

  constructor(desk: CasePage) {
    this.desk = desk;
  }

  /** Begin an act, with what is known of it: nothing is done before it is confirmed. */
  begin(move: Move, known: Told = {}): void {
    const { open, stand } = this.desk;
    if (!open || !stand || open.busy) return;
    this.desk.menu = false;
    open.refusal = '';
    if (open.draft?.move !== move.name) {
      const draft: Draft = { move: move.name, version: stand.version, told: known, of: move };
      open.draft = fieldsOf(move).includes('handler') ? this.given(draft) : draft;
    } else open.draft = { ...open.draft, told: { ...open.draft.told, ...known } };
    open.differences = false;
    this.desk.tab = 'case';
    this.desk.onFocus('form');
  }

  tell(told: Told): void {
    if (this.desk.open?.draft) this.desk.open.draft = { ...this.desk.open.draft, told: { ...this.desk.open.draft.told, ...told } };
  }

  abandon(): void {
    if (!this.desk.open) return;
    this.desk.open.draft = null;
    this.desk.open.refusal = '';
    this.desk.open.differences = false;
    this.desk.onFocus('row');
  }

  /** Do what was begun, on the version of the case that was seen then. */
  async confirm(): Promise<void> {
    const { open } = this.desk;
    const draft = open?.draft;
    const move = draft && this.desk.moveOf(draft.move);
    if (!open || !draft || open.busy) return;
    if (open.conflict) {
      open.refusal = this.desk.t('conflictFirst');
      return;
    }
    if (!move) {
      open.refusal = this.desk.t('moveGone');
      return;
    }
    const lacks = missing(move, draft.told);
    if (lacks.length) {
      open.refusal = this.desk.t('stillMissing', lacks.map((field) => this.desk.t(`field_${field}`)).join(this.desk.lang === 'zh' ? '、' : ', '));
      this.desk.onFocus('form');
      return;
    }
    if ((await this.send(open, draft)) === 'done') {
      open.draft = null;
      this.desk.say(this.desk.t(move.asks ? 'asked' : 'done', this.desk.lang === 'zh' ? move.zh : move.en, open.stand.value?.number ?? ''));
      if (this.desk.open === open) this.desk.onFocus('row');
    }
  }

  /** Send an act: `stale` where somebody was first, `failed` where it is not known, or was refused. */
  private async send(open: OpenCase, draft: Draft): Promise<'done' | 'stale' | 'failed'> {
    open.busy = true;
    open.refusal = '';
    try {
      const told = Object.fromEntries(Object.entries(draft.told).filter(([, value]) => value !== undefined && value !== ''));
      await post(`/api/cases/${open.id}/acts`, { ...told, move: draft.move, version: draft.version });
      this.desk.refreshQueues();
      await open.stand.refresh();
      void open.surroundings.refresh();
      return 'done';
    } catch (problem) {
      // somebody was first: what they did is read, and what was typed stays
      const stale = problem instanceof ApiError && problem.status === 409 && typeof problem.problem.version === 'number';
      await this.desk.readStand(open);
      if (problem instanceof ApiError && problem.where === 'reason' && open.draft?.move === draft.move) open.draft = { ...open.draft, also: ['reason'] };
      if (!stale || !open.conflict) open.refusal = problem instanceof Error ? problem.message : String(problem);
      return stale ? 'stale' : 'failed';
    } finally {
      open.busy = false;
    }
  }

  /** Send mine again on what the case has become, where the two do not touch. */
  async merge(): Promise<void> {
    const { open, stand } = this.desk;
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
    const { open, stand } = this.desk;
    if (!open?.draft || !stand) return;
    open.differences = false;
    open.refusal = '';
    if (this.desk.moveOf(open.draft.move)) open.draft = { ...open.draft, version: stand.version };
    else this.abandon();
  }

  /** Put how a similar case was handled into the note, to be edited; nothing is sent. */
  takeOver(): void {
    const { open } = this.desk;
    if (!open?.model?.note || !this.desk.moveOf('note')) return;
    open.note = withNote(open.note, open.model.note);
    this.desk.onFocus('note');
  }

  /** Record the note; it changes nothing of where the case stands. */
  async record(): Promise<void> {
    const { open, stand } = this.desk;
    const note = open?.note.trim();
    if (!open || !stand || !note || open.busy) return;
    for (let tries = 0; tries < 3; tries++) {
      const version = open.stand.value?.version ?? stand.version;
      const typed = open.note;
      const sent = await this.send(open, { move: 'note', version, told: { note } });
      if (sent === 'done') {
        // what was typed meanwhile is another note
        open.note = open.note === typed ? '' : open.note.startsWith(typed) ? open.note.slice(typed.length) : open.note;
        this.desk.say(this.desk.t('noted'));
        return;
      }
      // a note fits any version: where somebody acted meanwhile it goes with the new one. Where no answer came
      // the new version may be this very note.
      if (sent !== 'stale' || (open.stand.value?.version ?? version) === version) return;
      open.refusal = '';
    }
  }

  /** Somebody else is to go: what is begun goes to them. */
  chosen(): void {
    const { open } = this.desk;
    if (open?.draft && this.asks(open.draft, 'handler')) open.draft = this.given(open.draft);
  }

  /** A draft with whoever is chosen now: later readings of the list change nothing of it. */
  private given(draft: Draft): Draft {
    const candidate = this.desk.open?.handlers[this.desk.open.candidate];
    return candidate ? { ...draft, told: { ...draft.told, worker_id: undefined, organisation_id: undefined, behind: undefined, ...handlerOf(candidate) }, to: candidate.name } : draft;
  }

  private asks(draft: Draft, field: string): boolean {
    return !!this.desk.moveOf(draft.move)?.needs.includes(field);
  }
}
