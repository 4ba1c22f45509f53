/** Types of what the HTTP API answers about queues and single cases (docs/cases.md). */
import type { AreaRef, CaseRow, Cases, Names, Shelved } from './schema.ts';

export type QueueName = 'collect' | 'dispatch' | 'supervise' | 'check';

export interface Queue {
  name: QueueName;
  zh: string;
  en: string;
  open: number;
  waiting: number;
  overdue: number;
}

export interface Queues {
  queues: Queue[];
}

export type ClockUnit = 'working_hours' | 'working_days' | 'hours';

/** `left_s` is counted in what the clock counts; while it `runs` it goes down by one each second, until `changes_at`. */
export interface CaseClock {
  amount: number;
  unit: ClockUnit;
  due_at: string;
  certain: boolean;
  left_s: number;
  runs: boolean;
  changes_at: string | null;
  /** From then on little of it is left; null while it stands still. */
  warns_at: string | null;
}

/** Who has a case, or may be given it. */
export type Outcome = 'closed' | 'rejected' | 'void';

/** From very poor to very good. */
export type Rating = 1 | 2 | 3 | 4 | 5;

export interface Handler {
  worker_id: number | null;
  worker: Names | null;
  organisation_id: number | null;
  organisation: Names | null;
}

export interface Asked {
  ask: string;
  zh: string;
  en: string;
  reason: string;
  until: string | null;
  granted_by: string | null;
}

/** A case as it lies in a queue. */
export interface QueueRow extends CaseRow {
  version: number;
  priority: number;
  outcome: Outcome | null;
  handler: Handler | null;
  asked: Asked | null;
  supervised_by: string | null;
  called_up: number;
  linked_to: number | null;
  repeats: number;
  rating: Rating | null;
  /** Since when a poor rating waits to be looked at; the case stays closed. */
  review_since: string | null;
  /** Sensors of its alarm group; 0 where none raised it. */
  alarms: number;
  /** Worst state of its open alarms. */
  state: string | null;
  clock: CaseClock | null;
}

export interface QueueList extends Cases {
  cases: QueueRow[];
  /** How many of each source lie in the queue. */
  sources: Record<string, number>;
}

export interface Move {
  name: string;
  zh: string;
  en: string;
  /** What must be told: reason, note, handler, until, rating, correction, linked_to. */
  needs: string[];
  /** Whether somebody else must grant it. */
  asks: boolean;
}

export interface CaseEvent {
  at: string;
  event: string;
  zh: string;
  en: string;
  actor: string;
  /** Null for what changes nothing of where the case stands. */
  version: number | null;
  told: Record<string, unknown>;
  changes: Record<string, unknown>;
}

export interface Stage {
  name: string;
  zh: string;
  en: string;
  entered_at: string | null;
  left_at: string | null;
  times: number;
  took_s: number | null;
  limit: { amount: number; unit: ClockUnit } | null;
}

/** Where a case stands, what may be done with it, and what happened, the newest first. */
export interface CaseStand {
  id: number;
  number: string;
  title: string | Names;
  source: string;
  /** As somebody wrote it (`zh`), or in both languages where sensors are told of. */
  description: Names | null;
  lon: number;
  lat: number;
  address?: string | null;
  /** The smallest area around it that is no unit grid, as in every answer about cases. */
  area?: AreaRef | null;
  alarms?: number;
  state?: string | null;
  simulated: boolean;
  version: number;
  stage: string;
  outcome: Outcome | null;
  category: string;
  category_name: Names | null;
  priority: number;
  handler: Handler;
  asked: Asked | null;
  parked_at: string | null;
  supervised_by: string | null;
  called_up: number;
  linked_to: number | null;
  repeats: number;
  extensions: number;
  reworks: number;
  rating: Rating | null;
  review_since: string | null;
  filed_at: string | null;
  stage_since: string | null;
  closed_at: string | null;
  stage_clock: CaseClock | null;
  case_clock: CaseClock | null;
  stages: Stage[];
  moves: Move[];
  events: CaseEvent[];
}

export interface EvidenceOfKind {
  kind: string;
  names: Names;
  property: string | null;
  unit: string;
  state: string;
  count: number;
  first_at: string;
  last_at: string;
  offline: number;
  low: number | null;
  high: number | null;
  series: [string | number, number | null][];
}

/** The group of alarms that raised a case; `acknowledged` are those of the open ones that somebody acknowledged. */
export interface EvidenceGroup {
  group_id: number;
  alarms: number;
  open: number;
  acknowledged: number;
  acknowledged_by: string[];
  may_acknowledge: boolean;
  shelving: Shelved | null;
}

export interface Evidence {
  group: EvidenceGroup | null;
  alarms: EvidenceOfKind[];
  members: { device_id: number; uid: string; lon: number; lat: number; state: string; value: number | null; raised_at: string }[];
  repeats: { id: number; number: string; source: string; title: string | Names; opened_at: string }[];
  photographs: number;
}

/** Somebody who could be sent, the best first. */
export interface Candidate {
  worker_id?: number | null;
  organisation_id?: number | null;
  /** Number on the live board of a worker whose place is known. */
  tracker_id?: number | null;
  name: Names;
  role: Names | null;
  /** How long they take on the streets; null where there is no way: the reasons say so. */
  way_s: number | null;
  profile: string | null;
  by: Names | null;
  /** As the crow flies. */
  straight_m: number | null;
  eligible: 'yes' | 'last' | 'no';
  /** What speaks for and against them; empty of an organisation. */
  reasons: Names[];
  own_grid: boolean;
  open_cases: number;
  on_duty: boolean;
  /** Somebody sent them somewhere already. */
  busy: boolean;
  skills: (string | Names)[];
  responsible: boolean;
  rule: string | Names | null;
}

/** The way between two places, as far as the page needs it. */
export interface Way {
  seconds: number;
  start: { lon: number; lat: number };
  goal: { lon: number; lat: number };
  line: { coordinates: [number, number][] };
}

export interface Surroundings {
  handlers: Candidate[];
  similar: { id: number; number: string; title: string | Names; opened_at: string; closed_at: string | null; took_s: number | null; note: string | null }[];
  cameras: { id: number; uid: string; name: string | Names; distance_m: number; sees: boolean; hidden_by: string | null }[];
  impact: { radius_m: number; buildings: number; households: number | null; key_places: number; entrances: number | null } | null;
}

/** A case that this one may repeat, the likeliest first. */
export interface MayRepeat {
  id: number;
  number: string;
  title: Names;
  sure: boolean;
  reasons: Names;
}

/** What is told with an act; empty fields are left out. */
export interface Told {
  reason?: string;
  note?: string;
  worker_id?: number;
  organisation_id?: number;
  /** A worker who is taken up is asked once that has ended. */
  behind?: boolean;
  until?: string;
  rating?: Rating;
  category_code?: string;
  priority?: number;
  linked_to?: number;
}

export interface NewCase {
  category_code: string;
  title?: string;
  description: string;
  lon: number;
  lat: number;
  address?: string;
  source: string;
  priority?: number;
  client_key: string;
  reporter?: { name?: string; phone?: string };
}
