/** Say how a way in does, and why something was refused there: pure. */
import type { Flow, RefusalWords, Source } from '../api/sources_schema.ts';
import { isKey, nameOf, number, say, span, type Lang } from '../i18n/index.ts';
import { dayAndTime } from './record.ts';

/** What was asked for every 5 s and is older than this is no longer how things are. */
export const STALE_AFTER_MS = 12_000;

/** From this share on refusals are marked. */
const MANY = 0.01;

const MINUTE_MS = 60_000;

export const nameOfSource = (lang: Lang, source: Source): string => (lang === 'en' ? source.name_en : source.name_zh);

/** The shape and the word of its state; one that is silent for longer than is usual there is not shown as well. */
export function stateOf(lang: Lang, source: Source): { shape: string; word: string } {
  if (source.state === 'running' && source.is_silent) return { shape: 'unknown', word: say(lang, 'silent') };
  const shape = { running: 'normal', paused: 'paused', down: 'critical', off: 'offline' }[source.state];
  return { shape, word: say(lang, `sourceState_${source.state}`) };
}

/** Whether somebody should look at it. */
export function needsLook(source: Source): boolean {
  return source.state === 'down' || source.state === 'paused' || !!source.is_silent || manyRefused(source);
}

export const manyRefused = (flow: Flow): boolean => (flow.refused_share ?? 0) >= MANY;

/** How long ago its last message came, in words, `ageMs` after the list was taken; stale is what is no longer usual. */
export function lastWords(lang: Lang, flow: Flow & { is_silent?: boolean | null }, takenAt: string, ageMs: number): { text: string; stale: boolean } {
  if (flow.last_message_at === null) return { text: say(lang, 'never'), stale: true };
  const seconds = (Date.parse(takenAt) - Date.parse(flow.last_message_at) + ageMs) / 1000;
  const stale = flow.is_silent ?? seconds >= 60;
  return { text: say(lang, 'ago', seconds < 1 ? say(lang, 'u_s', 0) : span(lang, seconds < 10 ? Math.floor(seconds) : seconds)), stale };
}

/** A share in per cent: what is there is never written as nothing, and what is not all never as all. */
export function percent(share: number | null): string {
  if (share === null) return '—';
  if (share > 0 && share < 0.001) return '< 0.1%';
  if (share > 0.999 && share < 1) return '> 99.9%';
  return `${number(share * 100, share === 0 || share === 1 ? 0 : 1)}%`;
}

/** A rate with as many places as it can be known to: it is a mean of 60 s. */
export function rate(perSecond: number | null): string {
  if (perSecond === null) return '—';
  return number(perSecond, perSecond >= 10 || perSecond === 0 ? 0 : perSecond >= 1 ? 1 : 2);
}

export const lag = (lang: Lang, seconds: number | null): string => (seconds === null ? '—' : seconds < 0.1 ? `${number(seconds * 1000, 0)} ms` : span(lang, seconds));

/** The whole minutes that were counted: not the one that runs, and none before the server started. */
export function wholeMinutes(counted: { taken_at: string; since: string }, flow: Flow): number[] {
  const minutes = Math.floor((Date.parse(counted.taken_at) - Date.parse(counted.since)) / MINUTE_MS);
  const whole = flow.per_minute.slice(0, -1);
  return whole.slice(Math.max(0, whole.length - minutes));
}

/** What a reason means; one that a newer server has is told by its code. */
export function reasonWord(lang: Lang, code: string): string {
  const key = `code_${code}`;
  return isKey(key) ? say(lang, key) : code;
}

/** What to do about a reason; of foreign platforms (`mapped`) it is the mapping that is mended first. */
export function whatToDo(lang: Lang, code: string, mapped = false): string {
  const keys = mapped ? [`todo_mapped_${code}`, `todo_${code}`] : [`todo_${code}`];
  const key = keys.find(isKey);
  return key ? say(lang, key) : '';
}

/** What is wrong with a refused message and where in it. What an earlier server kept is English: `lang` says so. */
export function whatIsWrong(lang: Lang, refused: { detail: string | null; words: RefusalWords | null }): { text: string; lang: 'en' | undefined } {
  const { words } = refused;
  if (!words) return { text: refused.detail ?? '', lang: lang === 'en' ? undefined : 'en' };
  const cut = words.cut_from ? say(lang, 'cutFrom', number(words.cut_from)) : '';
  return { text: [nameOf(lang, words.what) + cut, nameOf(lang, words.where)].filter(Boolean).join(' · '), lang: undefined };
}

/** What to do about a refused message: what is known of it, else what holds for its reason. */
export function whatToDoAbout(lang: Lang, refused: { reason: string | null; words: RefusalWords | null }): string {
  return nameOf(lang, refused.words?.hint) || whatToDo(lang, refused.reason ?? '');
}

/** When, in the zone of this machine: the day only where it is not today. */
export function moment(at: string | number, now = Date.now()): string {
  const { day, time } = dayAndTime(new Date(at).toISOString());
  return day === dayAndTime(new Date(now).toISOString()).day ? time : `${day} ${time}`;
}
