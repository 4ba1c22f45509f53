/** Say how the parts of the system do, in words: pure. */
import { number, say, type Lang } from '../i18n/index.ts';
import type { HealthPart } from '../api/schema.ts';

const PARTS = ['database', 'broker', 'ingest', 'sources', 'board', 'simulator', 'disk'] as const;
const STATES = ['ok', 'down', 'off', 'filling', 'low', 'flood', 'unknown'] as const;

export interface PartLine {
  name: string;
  label: string;
  state: string;
  word: string;
  detail: string;
  /** Nothing to do: well, or not asked for. */
  well: boolean;
}

/** One line a part in a fixed order, then what a newer server has beside. */
export function partLines(lang: Lang, parts: Record<string, HealthPart>): PartLine[] {
  const names = [...PARTS.filter((name) => name in parts), ...Object.keys(parts).filter((name) => !(PARTS as readonly string[]).includes(name))];
  return names.map((name) => {
    const part = parts[name];
    const known = PARTS.find((one) => one === name);
    const state = STATES.find((one) => one === part.state);
    const well = part.state === 'ok' || part.state === 'off';
    return {
      name,
      label: known ? say(lang, `health_part_${known}`) : name,
      state: part.state,
      word: state ? say(lang, `health_state_${state}`) : part.state,
      detail: detail(lang, name, part) || (well && lang !== 'en' ? '' : (part.detail ?? '')),
      well,
    };
  });
}

function detail(lang: Lang, name: string, part: HealthPart): string {
  if (part.state !== 'ok' && part.state !== 'filling' && part.state !== 'low') return '';
  if (name === 'board' && part.devices !== undefined) return say(lang, 'health_board', number(part.devices), number(part.workers ?? 0));
  if (name === 'ingest' && part.stored !== undefined) return say(lang, 'health_ingest', number(part.stored));
  if (name === 'disk' && part.free_bytes !== undefined) return say(lang, 'health_disk', number(part.free_bytes / 2 ** 30, 1));
  return '';
}
