/** Types of what the HTTP API answers about what stands in the city: buildings, components, networks, compounds. */
import type { AreaRef, Names } from './schema.ts';

export interface BuildingDetail {
  id: number;
  name: string | Names | null;
  height_m: number | null;
  levels: number | null;
  height_source: string | null;
  kind?: string | null;
  address?: string | null;
  lon: number;
  lat: number;
  area?: Record<string, AreaRef | null>;
  devices: number;
}

export interface Word {
  code: string;
  name: Names;
}

interface Party {
  code: string | null;
  name: string | null;
}

export interface ComponentDetail {
  id: number;
  code: string;
  name: string;
  component_class: Word;
  major_class: Word;
  state: Word;
  lon: number;
  lat: number;
  department: Party;
  owner: Party;
  maintainer: Party;
  installed_on: string | null;
  changed_on: string | null;
  data_source: Word | null;
  note: string | null;
  street?: AreaRef | null;
  area?: Record<string, AreaRef | null>;
  simulated: boolean;
  states: { state: Word; since: string; until: string | null }[];
}

export interface NetworkDetail {
  id: number;
  utility: string;
  utility_name: Names;
  name: Names;
  owner: string | null;
  laid_year: number | null;
  lon: number;
  lat: number;
  simulated: boolean;
}

export interface LineDetail extends NetworkDetail {
  grade: string | null;
  diameter_mm: number | null;
  material: string | null;
  length_m: number;
}

export interface NodeDetail extends NetworkDetail {
  kind: string;
  kind_name: Names;
  passes: boolean;
  device_id: number | null;
  lines: number;
  buildings: number;
}

export interface CompoundDetail {
  id: number;
  name: Names;
  score: number;
  buildings: number;
  lon: number;
  lat: number;
  property_company: string | null;
  households: number;
  households_source: string;
  area_m2: number;
  devices: number;
  tiers: { code: string; name: Names; weight: number; score: number | null }[];
  items: { code: string; name: Names; tier: string; have: number; need: number; declared: number | null; lacks: boolean }[];
  area?: Record<string, AreaRef | null>;
  simulated: boolean;
}

/** What happens to the thing: it breaks and is cut off on all sides, or it is only shut. */
export type TraceMode = 'break' | 'downstream';

/** Who is affected by a break, as far as the caller sees it. */
export interface Trace {
  utility: string;
  mode: TraceMode;
  sources: 'declared' | 'assumed' | 'none';
  outside: boolean;
  to_close: { id: number; kind: string; kind_name: Names; name: Names; lon: number; lat: number }[];
  lines: number;
  length_m: number;
  section: object | null;
  lost: object | null;
  buildings: number;
  households: number;
  listed: { id: number; name: string | null; address: string | null; households: number; lon: number; lat: number }[];
  key_places: { id: number; category: string; category_name: Names; name: Names; lon: number; lat: number }[];
  devices: number;
}
