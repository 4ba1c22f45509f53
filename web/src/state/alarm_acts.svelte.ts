/** Acknowledge groups of alarms, put them aside and bring them back, at the desk and on the wall alike. */
import { post } from '../api/client.ts';
import type { Shelved } from '../api/schema.ts';
import { clockSaid } from './desk/times.ts';
import type { LivePage } from './live_page.svelte.ts';
import { endOf, refusedWords, shelveFault, type ShelveDraft, type ShelveFault } from './shelving.ts';

/** What is asked about in the dialog: a group as it was when that was opened. */
export interface Asked {
  group_id: number;
  title: string;
  shelving: Shelved | null;
}

const SHIFT_KEPT_AS = 'shift-ends';

export class AlarmActs {
  private readonly page: LivePage;
  private readonly reread: () => void;
  /** The group that the dialog is about; null while it is closed. */
  of = $state.raw<Asked | null>(null);
  draft = $state.raw<ShelveDraft>({ reason: '', end: '30m', shift: '', own: '' });
  /** Which field the dialog was sent without. */
  fault = $state<ShelveFault | null>(null);
  /** Why the server refused. */
  refusal = $state('');
  /** The dialog was sent and has no answer yet. */
  busy = $state(false);
  acknowledging = $state(false);

  constructor(page: LivePage, reread: () => void) {
    this.page = page;
    this.reread = reread;
  }

  /** Say that the open alarms of a group were seen. */
  async acknowledge(groupId: number): Promise<void> {
    const { page } = this;
    if (!page.mayAcknowledge || this.acknowledging) return;
    this.acknowledging = true;
    try {
      const answer = await post<{ acknowledged: number }>('/api/alarms/acknowledge', { group_ids: [groupId] });
      page.say(answer.acknowledged ? page.t('ackDone', answer.acknowledged) : page.t('ackNone'));
    } catch (problem) {
      page.say(this.words(problem));
    } finally {
      this.acknowledging = false;
    }
    this.reread();
  }

  begin(asked: Asked): void {
    this.of = asked;
    this.draft = { reason: '', end: '30m', shift: localStorage.getItem(SHIFT_KEPT_AS) ?? '', own: '' };
    this.fault = null;
    this.refusal = '';
  }

  leave(): void {
    this.of = null;
  }

  tell(part: Partial<ShelveDraft>): void {
    this.draft = { ...this.draft, ...part };
    this.fault = null;
    this.refusal = '';
  }

  /** Put the group aside, or bring back what is. */
  async confirm(): Promise<void> {
    const { of, draft, page } = this;
    if (!of || this.busy) return;
    const zone = page.scene?.timezone;
    const end = endOf(draft, page.now, zone);
    if (!of.shelving) {
      this.fault = shelveFault(draft, page.now, zone);
      if (this.fault || end === null) return;
    }
    this.busy = true;
    this.refusal = '';
    try {
      if (of.shelving) {
        await post(`/api/alarms/shelved/${of.shelving.id}/end`);
        page.say(page.t('al_isBack'));
      } else {
        const made = await post<Shelved>('/api/alarms/shelve', { group_id: of.group_id, reason: draft.reason.trim(), until: new Date(end!).toISOString() });
        if (draft.end === 'shift') localStorage.setItem(SHIFT_KEPT_AS, draft.shift);
        page.say(page.t('al_shelvedNow', clockSaid(zone, Date.parse(made.until_at))));
      }
      if (this.of === of) this.of = null;
    } catch (problem) {
      if (this.of === of) this.refusal = this.words(problem);
      else page.say(this.words(problem));
    } finally {
      this.busy = false;
    }
    this.reread();
  }

  private words(problem: unknown): string {
    const key = refusedWords(problem);
    return key ? this.page.t(key) : this.page.failed(problem);
  }
}
