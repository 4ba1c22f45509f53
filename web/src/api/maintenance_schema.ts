/** Types of what the HTTP API answers about maintenance windows (docs/alarms.md). */
import type { Ring } from './rules_schema.ts';
import type { Names } from './schema.ts';

/** A time in which alarms of a place are expected; `area_code` null is everywhere. */
export interface MaintenanceWindow {
  id: number;
  area_code: string | null;
  area_name: Names | null;
  polygon: { type: 'Polygon'; coordinates: Ring[] } | null;
  kind: string | null;
  reason: string;
  made_by: string;
  made_at: string;
  begins_at: string;
  ends_at: string;
  ended_at: string | null;
  /** How many alarms came within it, and how many of them are open. */
  alarms: number;
  open_alarms: number;
  /** Whether who is signed in may end it. */
  may_end: boolean;
}
