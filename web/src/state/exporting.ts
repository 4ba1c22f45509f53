/** Choose what is taken out as a file, and say in plain words why it could not be: pure. */
import { ApiError } from '../api/client.ts';
import type { Names } from '../api/schema.ts';
import { failure, number, say, type Lang } from '../i18n/index.ts';

export type Format = 'csv' | 'geojson';

export interface ExportTable {
  name: string;
  title: Names;
  formats: Format[];
}

export interface Exports {
  tables: ExportTable[];
  most_rows: number;
}

/** What was looked at when the dialog was opened: a list, a device, or nothing. */
export interface Preset {
  table: string;
  /** The filter of the list, and what it is called; the dialog offers to keep it. */
  filter: { name: string; value: string; title: Names } | null;
  device: { id: number; name: Names | string } | null;
}

export interface Choice {
  table: string;
  format: Format;
  /** Code of an area; null for all that the account may export. */
  area: string | null;
  /** Only what is not over yet, of alarms and cases. */
  open: boolean;
  /** How far back, days; 0 for all. */
  days: number;
  filter: Preset['filter'];
  device: number | null;
}

/** Numbers of the wall whose list is of alarms, cases or people; the lists of all others are of devices. */
const TABLE_OF_LIST: Record<string, string> = { open_alarms: 'alarms', on_duty_workers: 'workers', open_cases: 'cases', sensor_first: 'cases', on_time: 'cases' };

export const HAS_OPEN = ['alarms', 'cases'];
export const HAS_TIME = ['alarms', 'cases', 'readings'];
/** Days one may look back; of readings at most the last of them, and never all. */
export const DAYS = [0, 1, 7, 31];

export function presetOf(list: { key: string; title: Names } | null, device: Preset['device']): Preset {
  if (list?.key.startsWith('group-')) return { table: 'devices', filter: { name: 'group', value: list.key.slice(6), title: list.title }, device };
  if (list) return { table: TABLE_OF_LIST[list.key] ?? 'devices', filter: null, device };
  return { table: device ? 'readings' : 'devices', filter: null, device };
}

/** The tables that can be chosen: readings only where there is a device. */
export function choosable(exports: Exports | null, preset: Preset): ExportTable[] {
  return (exports?.tables ?? []).filter((table) => table.name !== 'readings' || preset.device);
}

/** The address of the file. */
export function exportPath(choice: Choice, lang: Lang, now: Date): string {
  const query = new URLSearchParams({ lang });
  const { table } = choice;
  if (table === 'readings') query.set('device', String(choice.device));
  else if (choice.area) query.set('area', choice.area);
  if (choice.filter && table === 'devices') query.set(choice.filter.name, choice.filter.value);
  if (choice.open && HAS_OPEN.includes(table)) query.set('open', 'true');
  if (choice.days && HAS_TIME.includes(table)) {
    query.set('from', new Date(now.getTime() - choice.days * 86_400_000).toISOString());
    query.set('to', now.toISOString());
  }
  return `/api/exports/${table}.${choice.format}?${query}`;
}

export function whyNot(lang: Lang, problem: unknown): string {
  const detail = problem instanceof Error ? problem.message : String(problem);
  if (!(problem instanceof ApiError)) return failure(lang, detail);
  const { status, where } = problem;
  if (where === 'rows') {
    const [rows, most] = (problem.detail.match(/\d+/g) ?? []).map(Number);
    return say(lang, 'exportRows', number(rows), number(most));
  }
  if (status === 404) return say(lang, where === 'device' ? 'exportNoDevice' : 'exportNoArea');
  if (status === 403) return say(lang, where === 'area' ? 'exportNotThere' : 'exportForbidden');
  if (status === 429) return say(lang, where === 'exports' ? 'exportBusy' : 'exportTooOften');
  if (status === 503 && where === 'export') return say(lang, 'exportTooLong');
  return failure(lang, detail);
}
