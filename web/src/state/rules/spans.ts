/** Write spans of time in the largest unit that they are a whole number of, as the server does. Pure. */
import type { Lang } from '../../i18n/index.ts';

export type SpanUnit = 's' | 'min' | 'h' | 'd';

export const SPAN_S: Record<SpanUnit, number> = { s: 1, min: 60, h: 3600, d: 86_400 };
const WORDS: Record<SpanUnit, Record<Lang, string>> = { s: { zh: '秒', en: 's' }, min: { zh: '分钟', en: 'min' }, h: { zh: '小时', en: 'h' }, d: { zh: '天', en: 'd' } };

export function spanUnit(seconds: number): SpanUnit {
  return (['d', 'h', 'min'] as const).find((unit) => seconds >= SPAN_S[unit] && seconds % SPAN_S[unit] === 0) ?? 's';
}

/** A number as the server writes it: the six digits that count. */
export const general = (value: number): string => String(Number(value.toPrecision(6)));

export function spanWords(lang: Lang, seconds: number): string {
  const unit = spanUnit(seconds);
  return `${general(seconds / SPAN_S[unit])} ${WORDS[unit][lang]}`;
}
