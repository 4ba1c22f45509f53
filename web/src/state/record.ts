/** Page through the record of acts, the newest first: pure. */
import type { RecordEntry } from '../api/access_schema.ts';

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
export function detailLine(entry: RecordEntry): string {
  const parts = Object.entries(entry.detail)
    .filter(([, value]) => value !== null && value !== '' && value !== false)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  return [entry.reason, ...parts].filter(Boolean).join(' · ');
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
