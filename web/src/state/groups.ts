/** Read alarm groups and cases as the panels and the map show them: pure functions. */
import type { AlarmGroup, CaseRow, KindProperty } from '../api/schema.ts';
import { nameOf, number, type Key, type Lang } from '../i18n/index.ts';
import { stateCode } from '../look/palette.ts';

/** Above so many members a group is shown as cells, one a sensor. */
export const STORM_FROM = 6;

export function groupWhat(lang: Lang, group: AlarmGroup): string {
  return nameOf(lang, group.title);
}

export function groupTitle(lang: Lang, group: AlarmGroup): string {
  const what = groupWhat(lang, group);
  const place = nameOf(lang, group.place);
  return place && !what.includes(place) ? `${what}·${place}` : what;
}

/** Units come as UCUM codes; people read symbols. */
const UNIT_TEXT: Record<string, string> = { '1': '', Cel: '°C', 'ug/m3': 'µg/m³', 'mg/m3': 'mg/m³', m3: 'm³', 'm3/h': 'm³/h', deg: '°', 'dB[A]': 'dB(A)', '[ppm]': 'ppm' };

export function unitText(unit: string | null | undefined): string {
  return unit ? (UNIT_TEXT[unit] ?? unit) : '';
}

/** A value with its unit, or the word that stands for it (0 and 1 of a door: closed, open). */
export function reading(lang: Lang, property: Pick<KindProperty, 'unit' | 'decimals' | 'words'> | undefined, value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '—';
  const words = property?.words?.[Math.round(value)];
  if (words) return words[lang === 'zh' ? 0 : 1];
  return `${number(value, property?.decimals)} ${unitText(property?.unit)}`.trim();
}

/**
 * The property of a device that matters now: the one its open alarm is about, else the one in the worst
 * state, else the first.
 */
export function focusProperty<P extends { name: string; state: number | string }>(properties: P[], alarmed: string | undefined): P | undefined {
  const named = properties.find((p) => p.name === alarmed);
  if (named) return named;
  return properties.reduce<P | undefined>((best, p) => (!best || stateCode(p.state) > stateCode(best.state) ? p : best), undefined);
}

/** A name without the mark of what is simulated, where the mark is shown beside it. */
export function unmarked(name: string): string {
  return name.replace(/（模拟）|\s*\(simulated\)/g, '');
}

/**
 * A name with what the thing is at its head: "商业后街旁楼栋 7089 1层 烟感" becomes "烟感·商业后街旁楼栋 7089 1层".
 *
 * Where there is no room the end is cut off, and that may be the place, which is told elsewhere as well.
 */
export function kindFirst(name: string, kind: string): string {
  const place = name.toLowerCase().endsWith(` ${kind.toLowerCase()}`) ? name.slice(0, -kind.length).trim() : '';
  return kind && place ? `${kind}·${place}` : name;
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

type Say = (key: Key, ...args: (string | number)[]) => string;

/** What is left of a case's time, h:mm, or by how much it is over. */
export function leftWords(t: Say, row: CaseRow, nowS: number): string {
  const s = leftS(row, nowS);
  if (s === null) return t('noLimit');
  const minutes = Math.floor(Math.abs(s) / 60);
  const text = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
  if (row.parked_at) return t('stopped', text);
  return s < 0 ? t('over', text) : text;
}

/** When what a case waits for must have happened, and since when it waits: of its stage, else of the whole. */
function clock(row: CaseRow): { since: number; due: number } | null {
  const due = row.stage_due_at ?? row.due_at;
  if (!due) return null;
  const since = (row.stage_due_at && row.stage_since) || row.opened_at;
  return { since: Date.parse(since) / 1000, due: Date.parse(due) / 1000 };
}

/** How long a case was given; nothing without a limit. */
export function limitWords(t: Say, row: CaseRow): string {
  const of = clock(row);
  if (!of) return '';
  const h = (of.due - of.since) / 3600;
  return t('limit', h < 1 ? t('u_min', Math.round(h * 60)) : h < 48 ? t('u_h', Math.round(h * 10) / 10) : t('u_d', Math.round(h / 24)));
}

/** Seconds a case has left, or had when it was parked; negative when it is over; null without a limit. */
export function leftS(row: CaseRow, nowS: number): number | null {
  const of = clock(row);
  return of && of.due - (row.parked_at ? Date.parse(row.parked_at) / 1000 : nowS);
}

export type Urgency = 'over' | 'soon' | 'normal';

/** A case is due soon when less than a quarter of its time is left. */
export function urgency(row: CaseRow, nowS: number): Urgency {
  const left = leftS(row, nowS);
  const of = clock(row);
  if (left === null || !of || row.parked_at) return 'normal';
  if (left < 0) return 'over';
  return left < (of.due - of.since) / 4 ? 'soon' : 'normal';
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
