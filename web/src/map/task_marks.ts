/** Decide what the map of those who work on cases carries: their cases, the open one with its number. Pure. */
import type { QueueRow } from '../api/case_schema.ts';
import { nameOf, type Key, type Lang } from '../i18n/index.ts';
import { iconOf } from '../state/desk/rows.ts';
import { unmarked } from '../state/groups.ts';
import { compose } from './compose.ts';
import type { Mark } from './marks.ts';
import type { PlaceName } from './places.ts';

export interface TaskComposition {
  lang: Lang;
  t: (key: Key, ...args: (string | number)[]) => string;
  rows: QueueRow[];
  open: number | null;
  places: PlaceName[];
  zoom: number;
  /** Nothing may look live. */
  lost: boolean;
}

const NONE: ReadonlySet<string> = new Set();

export function taskMarks({ lang, t, rows, open, places, zoom, lost }: TaskComposition): Mark[] {
  const names = compose({ lang, t, groups: [], selectedGroup: null, selected: null, freshCritical: NONE, places, cells: null, zoom, nowMs: 0, lost });
  const cases = rows.flatMap((row, i): Mark[] => {
    if (row.lon == null || row.lat == null) return [];
    const title = unmarked(nameOf(lang, row.title));
    const mine = row.id === open;
    return [{ key: `case:${row.id}`, lon: row.lon, lat: row.lat, rank: mine ? 0 : 1 + i / 1000, kind: 'mark', shape: lost ? 'unknown' : iconOf(row), stem: mine ? 3.4 : 2.1, text: title, note: mine ? row.number : undefined, callout: mine, title }];
  });
  return [...cases, ...names];
}
