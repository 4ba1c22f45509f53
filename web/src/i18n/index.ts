/** Choose words, names and the form of numbers by language. */
import type { Names } from '../api/schema.ts';
import { en } from './en.ts';
import { zh, type Words } from './zh.ts';

export type Lang = 'zh' | 'en';
export type Key = keyof Words;

const TABLES: Record<Lang, Words> = { zh, en };

/** Thin space that does not break: 3 118. */
const THIN = '\u202f';

export function langOf(search: string, stored: string | null): Lang {
  const asked = new URLSearchParams(search).get('lang') ?? stored;
  return asked?.startsWith('en') ? 'en' : 'zh';
}

export function say(lang: Lang, key: Key, ...args: (string | number)[]): string {
  return TABLES[lang][key].replace(/\{(\d)\}/g, (_all, i: string) => String(args[Number(i)] ?? ''));
}

export function nameOf(lang: Lang, name: string | Names | null | undefined): string {
  if (!name) return '';
  if (typeof name === 'string') return name;
  return (lang === 'zh' ? (name.zh ?? name.en) : (name.en ?? name.zh)) ?? '';
}

/** Digits grouped by thin spaces; a minus sign that is one; an em dash for nothing. */
export function number(value: number | null | undefined, decimals?: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '—';
  const fixed = decimals === undefined ? String(Math.round(value * 100) / 100) : value.toFixed(decimals);
  const [whole, part] = fixed.replace('-', '').split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  const sign = value < 0 && Number(fixed) !== 0 ? '−' : '';
  return sign + grouped + (part ? `.${part}` : '');
}

/** How long, in words, with the precision that matters at that length. */
export function span(lang: Lang, seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return say(lang, 'u_s', Math.round(s * 10) / 10);
  if (s < 60) return say(lang, 'u_s', Math.round(s));
  if (s < 3600) return say(lang, 'u_min', Math.round(s / 60));
  if (s < 48 * 3600) {
    const minutes = Math.round(s / 60);
    return minutes % 60 ? say(lang, 'u_h_min', Math.floor(minutes / 60), minutes % 60) : say(lang, 'u_h', minutes / 60);
  }
  return say(lang, 'u_d', Math.floor(s / 86_400));
}

/** A running clock: mm:ss, from an hour on h:mm. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (v: number) => String(v).padStart(2, '0');
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : s < 100 * 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}` : `${Math.floor(s / 86_400)}d`;
}
