/** Page through the record of acts, the newest first: pure. */
import type { RecordEntry } from '../api/access_schema.ts';
import { isKey, say, type Lang } from '../i18n/index.ts';
import { spacedCode, WHOLE_CODE } from './area_code.ts';

export const PAGE = 100;

export interface RecordFilter {
  actor: string;
  about: string;
}

export function recordPath(filter: RecordFilter, before: number | null): string {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (filter.actor.trim()) query.set('actor', filter.actor.trim());
  if (filter.about.trim()) query.set('about', filter.about.trim());
  if (before !== null) query.set('before', String(before));
  return `/api/record?${query}`;
}

/** Older acts under those that are there; what came twice is kept once. */
export function withOlder(held: RecordEntry[], older: RecordEntry[]): RecordEntry[] {
  const last = held.at(-1)?.seq ?? Infinity;
  return [...held, ...older.filter((entry) => entry.seq < last)];
}

/** What an act was about beyond its object, in one line. */
export function detailLine(lang: Lang, entry: RecordEntry): string {
  const parts = Object.entries(entry.detail)
    .filter(([, value]) => value !== null && value !== '' && value !== false)
    .map(([key, value]) => [word(lang, `detail_${key}`, key), valueOf(lang, key, value)].filter(Boolean).join(' '));
  return [entry.reason, ...parts].filter(Boolean).join(' · ');
}

function word(lang: Lang, key: string, name: string): string {
  return isKey(key) ? say(lang, key) : name;
}

function valueOf(lang: Lang, key: string, value: unknown): string {
  if (value === true) return '';
  if (Array.isArray(value)) return value.map(String).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  const text = String(value);
  if (key === 'area') return text === WHOLE_CODE ? say(lang, 'whole') : spacedCode(text);
  return word(lang, `${key}_${text}`, text);
}

/** When, in the time zone of this machine: the day is told where it changes. */
export function dayAndTime(at: string): { day: string; time: string } {
  const when = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  return {
    day: `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`,
    time: `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`,
  };
}
