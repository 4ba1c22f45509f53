/** Say in words what was changed of a case and what is told with an act: pure. */
import type { Candidate, CaseEvent, CaseStand, Handler } from '../../api/case_schema.ts';
import type { Category } from '../../api/schema.ts';
import { isKey, type Key, type Lang, nameOf } from '../../i18n/index.ts';
import type { Draft, Spoken } from './moves.ts';
import { touched } from './moves.ts';

/** What is needed to put names to numbers. */
export interface Told {
  t: (key: Key, ...args: (string | number)[]) => string;
  lang: Lang;
  categories: Category[];
  handlers: Candidate[];
  handler: Handler | null;
}

function categoryName(w: Told, code: unknown): string {
  const row = w.categories.find((c) => c.code === code);
  return row ? nameOf(w.lang, row) : String(code);
}

function levelName(w: Told, level: unknown): string {
  return w.t('level', w.t('levels_').split(',')[Number(level) - 1] ?? String(level));
}

function handlerName(w: Told, kind: 'worker_id' | 'organisation_id', id: unknown): string {
  const candidate = w.handlers.find((c) => c[kind] === id);
  if (candidate) return nameOf(w.lang, candidate.name);
  if (w.handler?.[kind] === id) return nameOf(w.lang, kind === 'worker_id' ? w.handler?.worker : w.handler?.organisation) || `#${String(id)}`;
  return `#${String(id)}`;
}

/** Who acted; the system and residents have no names of their own. */
export function actorWords(t: Told['t'], actor: string): string {
  return actor === 'system' ? t('systemActor') : actor === 'resident' ? t('source_resident') : actor;
}

/** The new value of a column of a case, as people say it. */
export function changeWords(w: Told, field: Spoken, to: unknown): string {
  if (to === null || to === undefined) return w.t('nothing_');
  switch (field) {
    case 'stage':
    case 'outcome': {
      const key = `${field}_${String(to)}`;
      return isKey(key) ? w.t(key) : String(to);
    }
    case 'category_code':
      return categoryName(w, to);
    case 'priority':
      return levelName(w, to);
    case 'worker_id':
    case 'organisation_id':
      return handlerName(w, field, to);
    case 'parked_at':
    case 'review_since':
    case 'due_at':
      return String(to).slice(0, 16).replace('T', ' ');
    case 'asked':
      return typeof to === 'object' ? String((to as { ask?: unknown }).ask ?? '') : String(to);
    default:
      return String(to);
  }
}

/** What my act would make of a column. */
export function mineWords(w: Told, draft: Draft, field: Spoken, moveWord: string): string {
  const { told } = draft;
  if (field === 'category_code' && told.category_code) return categoryName(w, told.category_code);
  if (field === 'priority' && told.priority != null) return levelName(w, told.priority);
  if (field === 'worker_id' && told.worker_id != null) return handlerName(w, field, told.worker_id);
  if (field === 'organisation_id' && told.organisation_id != null) return handlerName(w, field, told.organisation_id);
  return touched(draft).includes(field) ? moveWord : '—';
}

/** What an event of a case tells besides its name: to whom it went, what was corrected, why. */
export function eventSays(w: Told, event: CaseEvent): string {
  const { told, changes } = event;
  const parts: string[] = [];
  if (changes.worker_id != null) parts.push(handlerName(w, 'worker_id', changes.worker_id));
  else if (changes.organisation_id != null) parts.push(handlerName(w, 'organisation_id', changes.organisation_id));
  if (event.event === 'case.corrected') {
    if (changes.category_code != null) parts.push(categoryName(w, changes.category_code));
    if (changes.priority != null) parts.push(levelName(w, changes.priority));
  }
  for (const key of ['reason', 'note'] as const) if (typeof told[key] === 'string' && told[key]) parts.push(told[key]);
  const rating = `rating${String(told.rating)}`;
  if (isKey(rating)) parts.push(w.t(rating));
  return parts.join('，');
}

/** What was said with the last rating of a case, set off from what stands before it; empty where nothing was. */
export function ratedWith(stand: Pick<CaseStand, 'events'>, lang: Lang): string {
  const note = stand.events.find((e) => e.event === 'case.rated')?.told.note;
  if (typeof note !== 'string' || !note.trim()) return '';
  return lang === 'zh' ? `：“${note.trim()}”` : `: “${note.trim()}”`;
}
