/** Fill in a maintenance window, say what is wrong with it, and how one stands: pure. */
import type { AreaChoice } from '../api/access_schema.ts';
import { ApiError } from '../api/client.ts';
import type { MaintenanceWindow } from '../api/maintenance_schema.ts';
import type { Polygons } from '../api/rules_schema.ts';
import type { Key } from '../i18n/index.ts';
import { fromLocalInput, localInput } from './desk/times.ts';

/** What the server takes at most, ms. */
export const LONGEST_WINDOW_MS = 31 * 24 * 3600_000;
/** Lengths that are offered, hours. */
export const LENGTHS_H = [2, 8, 24, 168];

export interface WindowDraft {
  area: AreaChoice | null;
  everywhere: boolean;
  /** One at most. */
  polygons: Polygons;
  /** Empty: all kinds of devices. */
  kind: string;
  /** Times as fields of the browser have them. */
  begins: string;
  ends: string;
  reason: string;
}

export function emptyWindow(nowMs: number, zone: string | undefined): WindowDraft {
  const local = (ms: number) => localInput(zone, new Date(ms).toISOString());
  return { area: null, everywhere: false, polygons: [], kind: '', begins: local(nowMs), ends: local(nowMs + LENGTHS_H[0] * 3600_000), reason: '' };
}

/** The end so many hours after the begin, as a field has it. */
export function endAfter(draft: WindowDraft, hours: number, zone: string | undefined): string {
  const begins = fromLocalInput(zone, draft.begins);
  return begins === undefined ? draft.ends : localInput(zone, new Date(Date.parse(begins) + hours * 3600_000).toISOString());
}

export const WINDOW_FAULTS = ['area', 'begins', 'ends', 'order', 'past', 'long', 'reason'] as const;
export type WindowFault = (typeof WINDOW_FAULTS)[number];

/** The first thing that the server would refuse; null when it can be sent. */
export function windowFault(draft: WindowDraft, nowMs: number, zone: string | undefined): WindowFault | null {
  if (!draft.area && !draft.everywhere) return 'area';
  const [begins, ends] = [draft.begins, draft.ends].map((text) => Date.parse(fromLocalInput(zone, text) ?? ''));
  if (Number.isNaN(begins)) return 'begins';
  if (Number.isNaN(ends)) return 'ends';
  if (ends <= begins) return 'order';
  if (ends <= nowMs) return 'past';
  if (ends - begins > LONGEST_WINDOW_MS) return 'long';
  return draft.reason.trim() ? null : 'reason';
}

export function windowBody(draft: WindowDraft, zone: string | undefined): Record<string, unknown> {
  return {
    area_code: draft.everywhere ? null : draft.area?.code,
    polygon: draft.polygons.length ? { type: 'Polygon', coordinates: draft.polygons[0] } : null,
    kind: draft.kind || null,
    begins_at: fromLocalInput(zone, draft.begins),
    ends_at: fromLocalInput(zone, draft.ends),
    reason: draft.reason.trim(),
  };
}

export type Standing = 'running' | 'planned' | 'over';

export function standing(window: Pick<MaintenanceWindow, 'begins_at' | 'ends_at' | 'ended_at'>, nowMs: number): Standing {
  if (window.ended_at !== null || Date.parse(window.ends_at) <= nowMs) return 'over';
  return Date.parse(window.begins_at) <= nowMs ? 'running' : 'planned';
}

/** Words for what the server refused; null where what it says itself must do. */
export function windowRefused(problem: unknown): Key | null {
  if (!(problem instanceof ApiError)) return null;
  if (problem.status === 403) return problem.where === 'area_code' ? 'mw_no_area' : 'mw_no_role';
  if (problem.status === 404) return 'mw_no_end';
  if (problem.status !== 422) return null;
  if (problem.where.includes('polygon')) return 'mw_no_polygon';
  return ({ area_code: 'mw_fault_area', kind: 'mw_no_kind', ends_at: 'mw_fault_order', reason: 'mw_fault_reason' } as Record<string, Key>)[problem.where] ?? null;
}
