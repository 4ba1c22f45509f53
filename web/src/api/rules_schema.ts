/** Types of what the HTTP API answers about the rules of alarms and about trying them. */
import type { Names } from './schema.ts';

export type RuleState = 'warning' | 'alarm' | 'critical';
export type Position = [number, number];
/** A closed border: its first corner is its last. */
export type Ring = Position[];
/** Coordinates of a GeoJSON MultiPolygon, degrees WGS 84. */
export type Polygons = Ring[][];

/** The condition as the server keeps it: `type` says which fields it has. */
export interface Condition {
  type: string;
  [field: string]: unknown;
}

/** A rule as it is written. */
export interface RuleContent {
  zh: string;
  en: string;
  state: RuleState;
  area: string | null;
  kinds: string[];
  property: string | null;
  condition: Condition;
  /** The kind of case its alarms raise; null as the table of device kinds says. */
  category_code: string | null;
}

export interface RuleArea {
  code: string;
  level: string;
  name: Names;
}

export interface RuleRow extends Omit<RuleContent, 'area'> {
  id: number;
  version: number;
  newest: number;
  enabled: boolean;
  area: RuleArea | null;
  words: Names;
  changed_by: string;
  valid_from: string;
  valid_to: string | null;
  reason: string | null;
  may_manage: boolean;
  devices: number | null;
  open_alarms: number;
  /** Why the server switched it off by itself. */
  trouble: Names | null;
}

export interface RuleList {
  rules: RuleRow[];
  may_manage: boolean;
}

export interface RuleVersion {
  version: number;
  enabled: boolean;
  changed_by: string;
  valid_from: string;
  valid_to: string | null;
  reason: string | null;
}

export interface Rule extends RuleRow {
  versions: RuleVersion[];
}

export interface RuleProperty {
  name: string;
  title: Names;
  unit: string;
  minimum: number;
  maximum: number;
  decimals: number;
}

export interface RuleKind {
  name: string;
  title: Names;
  moves: boolean;
  properties: RuleProperty[];
}

/** What a rule can be made of. */
export interface RuleOptions {
  kinds: RuleKind[];
  learned: { name: string; title: Names; score: number }[];
  areas: RuleArea[];
  limits: { most_days: number; most_share: number; most_per_10_min: number; check_hours: number };
}

/** From when to when the rule would have held for a device; `to` null where it still would. */
export interface Episode {
  device_id: number;
  uid: string;
  name: Names;
  kind: string;
  property: string | null;
  lon: number;
  lat: number;
  area: { code: string; level: string; name: Names } | null;
  from: string;
  to: string | null;
  worst: number;
  unit: string;
}

export type VerdictCode = 'good' | 'never' | 'no_readings' | 'busy' | 'refused';

export interface RuleTrial {
  from: string;
  to: string;
  /** Before `to` where time or memory ran out: the figures are of what was covered. */
  covered_to: string;
  complete: boolean;
  devices: number;
  series: number;
  readings: number;
  fired: number;
  fired_devices: number;
  most_at_once: number;
  at_once_at: string | null;
  share_at_once: number;
  share_of_time: number;
  per_10_min: number;
  most_per_10_min: number;
  busiest_at: string | null;
  episodes: Episode[];
  verdict: Names & { code: VerdictCode; reasons: (Names & { code: string })[] };
}
