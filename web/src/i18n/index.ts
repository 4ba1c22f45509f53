/** Choose words, names and the form of numbers by language. */
import type { Names } from '../api/schema.ts';
import { accessEn } from './access_en.ts';
import { accessZh, type AccessWords } from './access_zh.ts';
import { alarmsEn } from './alarms_en.ts';
import { alarmsZh, type AlarmWords } from './alarms_zh.ts';
import { deskEn } from './desk_en.ts';
import { deskZh, type DeskWords } from './desk_zh.ts';
import { en } from './en.ts';
import { rulesEn } from './rules_en.ts';
import { rulesZh, type RulesWords } from './rules_zh.ts';
import { sourcesEn } from './sources_en.ts';
import { sourcesZh, type SourcesWords } from './sources_zh.ts';
import { tasksEn } from './tasks_en.ts';
import { tasksZh, type TasksWords } from './tasks_zh.ts';
import { zh, type Words } from './zh.ts';

export type Lang = 'zh' | 'en';
export type Key = keyof (Words & AccessWords & SourcesWords & DeskWords & RulesWords & AlarmWords & TasksWords);

/** The names that have words behind a prefix: `Named<'state'>` holds `critical`, of `state_critical`. */
export type Named<Prefix extends string, K = Key> = K extends `${Prefix}_${infer Name}` ? Name : never;

const TABLES: Record<Lang, Record<Key, string>> = { zh: { ...zh, ...accessZh, ...sourcesZh, ...deskZh, ...rulesZh, ...alarmsZh, ...tasksZh }, en: { ...en, ...accessEn, ...sourcesEn, ...deskEn, ...rulesEn, ...alarmsEn, ...tasksEn } };

/** Thin space that does not break: 3 118. */
const THIN = '\u202f';

export function langOf(search: string, stored: string | null): Lang {
  const asked = new URLSearchParams(search).get('lang') ?? stored;
  return asked?.startsWith('en') ? 'en' : 'zh';
}

/** `{0}` is the first of the arguments, `{0|sensor|sensors}` the word for one of them or for any other number. */
export function say(lang: Lang, key: Key, ...args: (string | number)[]): string {
  // a word that is missing is no reason to show nothing
  return (TABLES[lang][key] ?? key).replace(/\{(\d)(?:\|([^|}]*)\|([^}]*))?\}/g, (_all, i: string, one?: string, many?: string) => {
    const arg = String(args[Number(i)] ?? '');
    return one === undefined ? arg : arg === '1' ? one : many!;
  });
}

/** Whether there are words for a name that the server told, as for the kinds of its record. */
export function isKey(key: string): key is Key {
  return Object.hasOwn(TABLES.zh, key);
}

/** Words for what the server names freely: those of `prefix_name` where there are such, else the name as it came. */
export function wordOf(lang: Lang, prefix: string, name: string): string {
  const key = `${prefix}_${name}`;
  return isKey(key) ? say(lang, key) : name;
}

export function nameOf(lang: Lang, name: string | Names | null | undefined): string {
  if (!name) return '';
  if (typeof name === 'string') return name;
  return (lang === 'zh' ? (name.zh ?? name.en) : (name.en ?? name.zh)) ?? '';
}

/** The language a name is in, where that is not the page's: it is shown as it is, and read out rightly. */
export function foreign(lang: Lang, name: string): 'zh-CN' | undefined {
  return lang === 'en' && /\p{Script=Han}/u.test(name) && !/\p{Script=Latin}/u.test(name) ? 'zh-CN' : undefined;
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

/** How old or how long, in words, with the precision that matters at that length; what has not passed is not counted. */
export function span(lang: Lang, seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return say(lang, 'u_s', Math.floor(s * 10) / 10);
  if (s < 60) return say(lang, 'u_s', Math.floor(s));
  if (s < 3600) return say(lang, 'u_min', Math.floor(s / 60));
  if (s < 48 * 3600) {
    const minutes = Math.floor(s / 60);
    return minutes % 60 ? say(lang, 'u_h_min', Math.floor(minutes / 60), minutes % 60) : say(lang, 'u_h', minutes / 60);
  }
  return say(lang, 'u_d', Math.floor(s / 86_400));
}

/** How long a thing has gone on: a running clock of mm:ss, from an hour on h:mm, from 48 hours on whole days. */
export function clock(lang: Lang, seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (v: number) => String(v).padStart(2, '0');
  if (s >= 48 * 3600) return say(lang, 'u_d', Math.floor(s / 86_400));
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}`;
}

/** What browsers say, each in its own words, when nobody answers. */
const NO_ANSWER = /failed to fetch|networkerror|load failed|timed out/i;

/** Say that something could not be read, and why. */
export function failure(lang: Lang, detail: string): string {
  return say(lang, 'failed', NO_ANSWER.test(detail) ? say(lang, 'noAnswer') : detail);
}

/** A day of the year as people write it: 7 月 16 日, 16 Jul. */
export function monthDay(lang: Lang, month: number, day: number): string {
  return say(lang, 'monthDay', say(lang, 'months').split(',')[month - 1], day);
}
