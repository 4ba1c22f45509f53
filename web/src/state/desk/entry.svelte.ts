/** Enter a new case: the form, what is typed in it, and the report that comes of it. */
import { post } from '../../api/client.ts';
import type { CaseStand } from '../../api/case_schema.ts';
import type { Desk } from '../desk.svelte.ts';
import { dropReport, emptyReport, keepReport, keptReport, missingOf, toSend, type ReportDraft } from './report.ts';

export class CaseEntry {
  private readonly desk: Desk;
  /** The form is open. */
  open = $state(false);
  /** A place is being picked on the map. */
  picking = $state(false);
  draft = $state.raw<ReportDraft>(keptReport(sessionStorage) ?? emptyReport(crypto.randomUUID()));
  busy = $state(false);
  refusal = $state('');
  /** The link by which whoever reported a case may follow it. */
  link = $state.raw<{ url: string; number: string } | null>(null);

  constructor(desk: Desk) {
    this.desk = desk;
  }

  get may(): boolean {
    return this.desk.may('case.file');
  }

  start(): void {
    if (!this.may) return;
    this.open = true;
    this.desk.tab = 'map';
  }

  leave(): void {
    this.open = this.picking = false;
  }

  type(part: Partial<ReportDraft>): void {
    this.draft = { ...this.draft, ...part };
    this.keep();
  }

  keep(): void {
    keepReport(sessionStorage, this.draft);
  }

  pick([lon, lat]: [number, number]): void {
    this.picking = false;
    this.type({ lon, lat });
  }

  drop(): void {
    dropReport(sessionStorage);
    this.draft = emptyReport(crypto.randomUUID());
    this.refusal = '';
  }

  /** Report the case; what was typed is kept until the server has it. */
  async send(reporter: { name: string; phone: string }): Promise<void> {
    if (this.busy || missingOf(this.draft).length) return;
    this.busy = true;
    this.refusal = '';
    try {
      const made = await post<CaseStand & { token: string | null }>('/api/cases', toSend(this.draft, reporter));
      this.drop();
      this.leave();
      this.desk.say(this.desk.t('reported', made.number));
      // whoever reported may follow it: shown once, here
      this.link = made.token ? { url: `${location.origin}/r/${made.token}`, number: made.number } : null;
      this.desk.choose('collect');
      this.desk.openCase(made.id);
    } catch (problem) {
      this.refusal = problem instanceof Error ? problem.message : String(problem);
    } finally {
      this.busy = false;
    }
  }
}
