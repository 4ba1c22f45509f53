/** Say how soon somebody is there, and why they are proposed. Pure. */
import type { Candidate } from '../../api/case_schema.ts';
import { nameOf, number, type Key, type Lang } from '../../i18n/index.ts';

type Say = (key: Key, ...args: (string | number)[]) => string;

/** Whole minutes, begun ones too, as the reasons of the server have them. */
export function minutesOf(seconds: number): number {
  return Math.max(1, Math.ceil(seconds / 60));
}

/** Why somebody is proposed; where there is no way to the case, how far it is as the crow flies besides. */
export function whyOf(lang: Lang, t: Say, c: Pick<Candidate, 'reasons' | 'way_s' | 'straight_m' | 'open_cases' | 'rule'>): string[] {
  const said = c.reasons.length ? c.reasons.map((one) => nameOf(lang, one)) : [t('openCases', c.open_cases), nameOf(lang, c.rule)];
  return [...said, c.way_s === null && c.straight_m !== null ? t('straight', metres(c.straight_m)) : ''].filter(Boolean);
}

/** How soon they are there, beside a mark on the map. */
export function arrivalInShort(t: Say, c: Pick<Candidate, 'way_s' | 'straight_m'>): string {
  if (c.way_s !== null) return t('wayShort', minutesOf(c.way_s));
  return c.straight_m === null ? '' : t('straight', metres(c.straight_m));
}

function metres(m: number): string {
  return m < 1000 ? `${number(m, 0)} m` : `${number(m / 1000, 1)} km`;
}
