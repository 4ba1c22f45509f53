/** Reckon when what is put aside comes back, and what stands in the way of putting it aside: pure. */
import { ApiError } from '../api/client.ts';
import type { Shelved } from '../api/schema.ts';
import type { Key } from '../i18n/index.ts';
import { daySaid, fromLocalInput } from './desk/times.ts';

export const ENDS = ['30m', '2h', 'shift', 'own'] as const;
export type End = (typeof ENDS)[number];

/** What the server takes at most, ms. */
export const LONGEST_MS = 8 * 3600_000;
export const LONGEST_REASON = 500;
const DAY_MS = 24 * 3600_000;

export interface ShelveDraft {
  reason: string;
  end: End;
  /** When the shift ends, by the clock of the city: 17:30. */
  shift: string;
  /** An own time as a field of the browser has it: 2026-11-22T17:30. */
  own: string;
}

/** When it comes back, ms since 1970; null while that is not said. */
export function endOf(draft: ShelveDraft, nowMs: number, zone: string | undefined): number | null {
  if (draft.end === '30m') return nowMs + 30 * 60_000;
  if (draft.end === '2h') return nowMs + 2 * 3600_000;
  if (draft.end === 'own') return read(zone, draft.own);
  if (!draft.shift) return null;
  // a shift that ended today ends the next time tomorrow
  const today = read(zone, `${daySaid(zone, nowMs)}T${draft.shift}`);
  return today !== null && today <= nowMs ? read(zone, `${daySaid(zone, nowMs + DAY_MS)}T${draft.shift}`) : today;
}

function read(zone: string | undefined, local: string): number | null {
  const said = fromLocalInput(zone, local);
  return said === undefined ? null : Date.parse(said);
}

export type ShelveFault = 'reason' | 'end' | 'past' | 'far';

/** What the server would refuse; null when it can be sent. */
export function shelveFault(draft: ShelveDraft, nowMs: number, zone: string | undefined): ShelveFault | null {
  if (!draft.reason.trim()) return 'reason';
  const end = endOf(draft, nowMs, zone);
  if (end === null) return 'end';
  if (end <= nowMs) return 'past';
  return end > nowMs + LONGEST_MS ? 'far' : null;
}

/** Words for what the server refused; null where what it says itself must do. */
export function refusedWords(problem: unknown): Key | null {
  if (!(problem instanceof ApiError)) return null;
  if (problem.status === 409) return 'al_no_conflict';
  if (problem.status === 403) return 'al_no_role';
  if (problem.status === 404) return problem.where === 'id' ? 'al_no_end' : 'al_no_group';
  if (problem.status === 422 && problem.where === 'until') return problem.detail.includes('within') ? 'al_fault_far' : 'al_fault_past';
  return problem.status === 422 && problem.where === 'reason' ? 'al_fault_reason' : null;
}

/** Who put something aside, for as long as it is; it comes back by the clock. */
export function heldNow(shelving: Shelved | null, nowMs: number): Shelved | null {
  return shelving && Date.parse(shelving.until_at) > nowMs ? shelving : null;
}

/** Whether a group is put aside at a time. */
export function isAside(group: { shelved_until: string | null }, nowMs: number): boolean {
  return group.shelved_until !== null && Date.parse(group.shelved_until) > nowMs;
}
