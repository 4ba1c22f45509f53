/** Say how soon somebody is there. Pure. */
import type { Candidate } from '../../api/case_schema.ts';
import { nameOf, number, type Key, type Lang } from '../../i18n/index.ts';

type Say = (key: Key, ...args: (string | number)[]) => string;
type Coming = Pick<Candidate, 'way_s' | 'by' | 'no_way' | 'straight_m'>;

/** Whole minutes, at least one. */
export function minutesOf(seconds: number): number {
  return Math.max(1, Math.round(seconds / 60));
}

/** How long the way takes; where there is none, why, and how far it is as the crow flies. */
export function arrivalOf(lang: Lang, t: Say, c: Coming): string[] {
  if (c.way_s !== null) return [t('wayBy', minutesOf(c.way_s), nameOf(lang, c.by))];
  if (c.straight_m === null) return [];
  return [nameOf(lang, c.no_way), t('straight', metres(c.straight_m))].filter(Boolean);
}

/** The same beside a mark on the map. */
export function arrivalInShort(t: Say, c: Pick<Candidate, 'way_s' | 'straight_m'>): string {
  if (c.way_s !== null) return t('wayShort', minutesOf(c.way_s));
  return c.straight_m === null ? '' : t('straight', metres(c.straight_m));
}

function metres(m: number): string {
  return m < 1000 ? `${number(m, 0)} m` : `${number(m / 1000, 1)} km`;
}
