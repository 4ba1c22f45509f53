/** Read alarm groups and cases as the panels and the map show them: pure functions. */
import type { AlarmGroup, CaseRow } from '../api/schema.ts';
import { nameOf, type Lang } from '../i18n/index.ts';
import { stateCode } from '../look/palette.ts';

/** Above so many members a group is shown as cells, one a sensor. */
export const STORM_FROM = 6;

export function groupTitle(lang: Lang, group: AlarmGroup): string {
  const title = nameOf(lang, group.title);
  const place = nameOf(lang, group.place);
  return place && !title.includes(place) ? `${title}·${place}` : title;
}

/** Members by state, worst first, and the states of the cells in that order. */
export function storm(group: AlarmGroup): { counts: [number, number][]; cells: number[] } {
  const cells = group.members.map((m) => stateCode(m.state)).sort((a, b) => b - a);
  const counts = new Map<number, number>();
  for (const state of cells) counts.set(state, (counts.get(state) ?? 0) + 1);
  return { counts: [...counts.entries()], cells };
}

export function unacknowledged(group: AlarmGroup): number {
  return Math.max(0, group.count - group.acknowledged);
}

/** Seconds a case has left; negative when it is over; null without a limit. */
export function leftS(row: CaseRow, nowS: number): number | null {
  return row.due_at ? Date.parse(row.due_at) / 1000 - nowS : null;
}

export type Urgency = 'over' | 'soon' | 'normal';

/** A case is due soon when less than a quarter of its time is left. */
export function urgency(row: CaseRow, nowS: number): Urgency {
  const left = leftS(row, nowS);
  if (left === null) return 'normal';
  if (left < 0) return 'over';
  const whole = (Date.parse(row.due_at!) - Date.parse(row.opened_at)) / 1000;
  return left < whole / 4 ? 'soon' : 'normal';
}

/** Cases by stage, in the order in which the server lists the stages. */
export function byStage(cases: CaseRow[]): { stage: string; rows: CaseRow[] }[] {
  const stages = new Map<string, CaseRow[]>();
  for (const row of cases) {
    const rows = stages.get(row.stage);
    if (rows) rows.push(row);
    else stages.set(row.stage, [row]);
  }
  return [...stages.entries()].map(([stage, rows]) => ({ stage, rows }));
}
