/** Say in words what a photograph claims of its time and place, and go from one to the next. */
import type { Photograph } from '../api/pictures_schema.ts';
import { number, type Key } from '../i18n/index.ts';

type Say = (key: Key, ...args: (string | number)[]) => string;

/** What does not fit the case, or that both time and place do; and how far from it the photograph was taken. */
export function claimWords(t: Say, photograph: Photograph): string[] {
  const words = photograph.flags.map((flag) => t(`flag_${flag}`));
  const distance = photograph.distance_m === null ? [] : [t('photoDistance', number(photograph.distance_m, 0))];
  return [...(words.length ? words : [t('photoFits')]), ...distance];
}

/** The number of the photograph before (-1) or after (1) one, round the ends; the first where it is gone. */
export function neighbour(photographs: readonly Photograph[], id: number, step: 1 | -1): number | null {
  if (!photographs.length) return null;
  const at = photographs.findIndex((p) => p.id === id);
  if (at < 0) return photographs[0].id;
  return photographs[(at + step + photographs.length) % photographs.length].id;
}
