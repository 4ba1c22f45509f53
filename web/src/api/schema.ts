/** Types of what the HTTP API answers (docs/http-api.md). */

export interface Names {
  zh?: string | null;
  en?: string | null;
}

export interface AreaRef {
  id?: number;
  code?: string;
  name?: string | Names | null;
}

export interface TileLayer {
  version: number;
  minzoom: number;
  maxzoom: number;
}

export interface Scene {
  name: string;
  name_en?: string | null;
  breadcrumb: { code: string; name: string | Names; level: string }[];
  bounds: [number, number, number, number];
  center: [number, number];
  zoom: number;
  pitch: number;
  bearing: number;
  attribution: string;
  simulated: boolean;
  timezone: string;
  data_date?: string | null;
  tile_layers: Record<string, TileLayer>;
  live: { path: string; protocol: number };
}

export interface Limit {
  state: string;
  above?: number | null;
  below?: number | null;
}

export interface KindProperty {
  slot: number;
  name: string;
  zh: string;
  en: string;
  unit: string;
  min?: number | null;
  max?: number | null;
  decimals?: number;
  limits: Limit[];
  /** Words for the values 0, 1, ...: [zh, en] each. */
  words?: [string, string][];
}

export interface DeviceKind {
  code: number;
  name: string;
  zh: string;
  en: string;
  icon?: string;
  group?: string;
  moves: boolean;
  expected_interval_s: number;
  properties: KindProperty[];
}

/** A kind of case that can be reported today. */
export interface Category {
  code: string;
  zh: string;
  en: string;
  major: Names;
}

export interface Catalog {
  states: { code: number; name: string; zh: string; en: string; shape: string }[];
  device_kinds: DeviceKind[];
  case_sources?: { name: string; zh: string; en: string }[];
  case_categories?: Category[];
}

export interface LegendEntry {
  key: string;
  zh: string;
  en: string;
  shape: string;
  toggle?: string;
}

export interface LayerSpec {
  layers: Record<string, unknown>[];
  legend: LegendEntry[];
}

export interface DeviceProperty {
  name: string;
  zh: string;
  en: string;
  unit: string;
  value: number | string | null;
  phenomenon_time: string | null;
  state: number | string;
  limits: Limit[];
  decimals?: number;
  words?: [string, string][];
}

export interface DeviceDetail {
  id: number;
  uid: string;
  kind: string;
  name: Names;
  state: number | string;
  since: string | null;
  value: number | null;
  properties: DeviceProperty[];
  lon: number;
  lat: number;
  height_m?: number | null;
  floor?: string | number | null;
  bearing_deg?: number | null;
  bearing_source?: string | null;
  field_of_view_deg?: number | null;
  range_m?: number | null;
  building?: { id: number; name: string | Names | null } | null;
  address?: string | Names | null;
  area?: Record<string, AreaRef | null>;
  source?: string | null;
  simulated?: boolean;
  /** What it says is made up, though the device may be real. */
  readings_simulated?: boolean;
  last_seen?: string | null;
  expected_interval_s?: number | null;
  worker_id?: number | null;
  role?: string | null;
  on_duty?: boolean | null;
  /** Masked. */
  phone?: string | null;
  organisation?: string | Names | null;
}

export interface History {
  property: string;
  unit: string;
  limits: Limit[];
  t: number[];
  v: (number | null)[];
  min?: (number | null)[];
  max?: (number | null)[];
  gaps?: [number, number][];
}

export interface Neighbour {
  id: number;
  uid: string;
  kind: string;
  name: Names;
  distance_m: number;
  value: number | null;
  unit: string | null;
  state: number | string;
}

export interface DeviceEvent {
  at: string;
  kind?: string;
  state?: number | string;
  title?: string | Names;
  zh?: string;
  en?: string;
  data?: Record<string, unknown>;
}

export interface CityEvent {
  journal: number;
  at: string;
  kind: string;
  zh: string;
  en: string;
  state: string | null;
  area_code: string | null;
  device: { id: number; uid: string; kind: string; layer: number; name: Names; simulated: boolean } | null;
  data: Record<string, unknown>;
}

export interface DeviceGroup {
  name: string;
  zh: string;
  en: string;
  devices: number;
  online: number;
  abnormal: number;
  offline: number;
  unknown: number;
  /** The worst state among its devices; null where none is abnormal. */
  worst: 'warning' | 'alarm' | 'critical' | null;
  list: string;
}

export interface HealthPart {
  state: string;
  detail?: string;
  devices?: number;
  workers?: number;
  stored?: number;
  free_bytes?: number;
}

export interface Health {
  status: string;
  /** Told only to those who run the installation, with the figures of the parts. */
  version?: string;
  started_at?: string;
  demo?: boolean;
  /** Staff may sign in by an identity provider. */
  provider?: boolean;
  parts: Record<string, HealthPart>;
}

export interface AlarmMember {
  alarm_id: number;
  device_id: number;
  uid?: string;
  property?: string;
  state: number | string;
  value: number | null;
}

/** A group or a device that is put aside: why, by whom, until when. */
export interface Shelved {
  id: number;
  group_id: number | null;
  device_id: number | null;
  reason: string;
  shelved_by: string;
  begins_at: string;
  until_at: string;
}

export interface AlarmGroup {
  key: string;
  group_id: number;
  kind: string;
  state: number | string;
  title: string | Names;
  place: string | Names | null;
  count: number;
  lon: number;
  lat: number;
  since: string;
  acknowledged: number;
  acknowledged_by: string[];
  /** Whether who is signed in may acknowledge and shelve it. */
  may_acknowledge: boolean;
  /** What raised the worst of its alarms; null where that were the limits of its kind. */
  rule: { id: number; version: number } | null;
  case: { id: number; number: string } | null;
  /** When it comes back that was put aside: the group, or all its devices. */
  shelved_until: string | null;
  /** Who put the group aside, and why. */
  shelving: Shelved | null;
  /** Whether all its alarms came within maintenance windows. */
  maintenance: boolean;
  area?: AreaRef | null;
  members: AlarmMember[];
}

export interface Alarms {
  groups: AlarmGroup[];
  open: number;
  unacknowledged: number;
  /** Groups that are put aside, and the load of the last ten minutes. */
  shelved: number;
  maintenance: number;
  load: { groups: number; alarms: number; operators: number; per_operator: number; acceptable: number; flood: boolean; flood_since: string | null };
}

export interface Reporter {
  name: string | null;
  phone: string | null;
  identity_number: string | null;
  address: string | null;
  email: string | null;
}

export interface CaseRow {
  id: number;
  number: string;
  title: string | Names;
  category?: string | null;
  /** What the category is called; null where no table has its code. */
  category_name?: Names | null;
  stage: string;
  stage_zh?: string;
  source?: string | null;
  lon?: number | null;
  lat?: number | null;
  opened_at: string;
  /** Of the stage it stands in. */
  stage_since?: string | null;
  stage_due_at?: string | null;
  /** Of the whole case. */
  due_at: string | null;
  /** While it is parked, its clocks stand still. */
  parked_at?: string | null;
  closed_at?: string | null;
  simulated?: boolean;
  area?: AreaRef | null;
  address?: string | null;
  /** Masked; null where nobody is behind the case, or who it was is erased. */
  reporter?: Reporter | null;
}

export interface Cases {
  cases: CaseRow[];
  open: number;
  due_soon: number;
  overdue: number;
}

export interface Stat {
  key: string;
  zh: string;
  en: string;
  value: number | null;
  unit?: string | null;
  of?: number | null;
  trend?: (number | null)[];
  note_zh?: string | null;
  note_en?: string | null;
  list?: string | null;
}

export interface StatList {
  columns: { key: string; zh: string; en: string }[];
  rows: Record<string, unknown>[];
  total: number;
}

export interface Timeline {
  from: string;
  to: string;
  step_s: number;
  observations: (number | null)[];
  alarms: Record<string, (number | null)[]>;
}

export interface Trail {
  id: number;
  path: [number, number][];
  timestamps: number[];
}

export interface SearchHit {
  type: string;
  id: number;
  label: string | Names;
  detail?: string | Names | null;
  lon: number;
  lat: number;
}

export interface Problem {
  title: string;
  detail?: string;
  where?: string;
  hint?: string;
  status: number;
}
