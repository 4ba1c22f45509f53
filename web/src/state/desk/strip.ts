/** Say what the time strip of a case shows: what its sensors saw before and after, and what happened when. Pure. */
import type { CaseEvent, Evidence, EvidenceOfKind } from '../../api/case_schema.ts';
import { timeRange } from '../chart.ts';

/** Most curves beside each other; the worst are told first. */
export const MOST_LINES = 4;
/** Moments nearer than this are one, ms. */
const SAME_MS = 1_000;

export interface StripLine {
  kind: EvidenceOfKind;
  /** Times (ms) and values, the oldest first. */
  points: (readonly [number, number])[];
  low: number;
  high: number;
}

export interface Strip {
  /** Ends of the axis, ms. */
  from: number;
  to: number;
  lines: StripLine[];
  /** When something happened, ms, the oldest first: what the arrows go along. */
  moments: number[];
}

/** The strip of a case as it is known at a time. It begins with the first reading and ends now. */
export function stripOf(evidence: Evidence | null, events: CaseEvent[], nowMs: number): Strip {
  const lines = (evidence?.alarms ?? []).map(lineOf).filter((line) => line.points.length > 0);
  const happened = [...events.map((event) => Date.parse(event.at)), ...(evidence?.alarms ?? []).map((kind) => Date.parse(kind.first_at))];
  const [from, to] = timeRange([...lines.map((line) => line.points[0][0]), ...happened].sort((a, b) => a - b).map((ms) => ms / 1000), nowMs / 1000);
  const moments = happened.filter(Number.isFinite).sort((a, b) => a - b);
  return { from: from * 1000, to: to * 1000, lines: lines.slice(0, MOST_LINES), moments: moments.filter((ms, i) => i === 0 || ms - moments[i - 1] >= SAME_MS) };
}

function lineOf(kind: EvidenceOfKind): StripLine {
  const points = kind.series
    .map(([t, v]) => [typeof t === 'number' ? t * 1000 : Date.parse(t), v] as const)
    .filter((point): point is readonly [number, number] => point[1] !== null && Number.isFinite(point[0]) && Number.isFinite(point[1]));
  const values = points.map(([, v]) => v);
  return { kind, points, low: Math.min(...values), high: Math.max(...values) };
}

/** What a line showed at a time: its last value until then; null before the first. */
export function valueAt(line: StripLine, ms: number): number | null {
  return line.points.findLast(([t]) => t <= ms)?.[1] ?? null;
}

/** How many sensors had raised their alarm by then. */
export function raisedBy(members: Evidence['members'], ms: number): number {
  return members.filter((member) => Date.parse(member.raised_at) <= ms).length;
}

/** The moment before or after a time; null is now, behind the last of them. */
export function momentFrom(moments: readonly number[], at: number | null, step: 1 | -1): number | null {
  if (step > 0) return at === null ? null : (moments.find((ms) => ms > at) ?? null);
  return moments.findLast((ms) => at === null || ms < at) ?? at;
}

/** Times to write below the axis, ms: at most seven, at round minutes. */
export function ticksOf(from: number, to: number): number[] {
  const steps = [2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * 60_000);
  const step = steps.find((ms) => (to - from) / ms <= 7) ?? Math.ceil((to - from) / 7 / steps.at(-1)!) * steps.at(-1)!;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
}

