/** Types of what the HTTP API answers about the ways in, what was refused there, and mappings of foreign platforms. */
import type { Names } from './schema.ts';

export interface RefusedReason {
  code: string;
  count: number;
}

/** A way in. Counts are since the server started; what is not known is null. */
/** How messages come, by a way in or by a mapping. */
export interface Flow {
  messages: number;
  stored: number;
  refused: number;
  /** Of the readings that were decided upon, 0 to 1. */
  refused_share: number | null;
  refused_reasons: RefusedReason[];
  messages_per_s: number | null;
  /** Median of the last minute, from observed to received. */
  lag_s: number | null;
  last_message_at: string | null;
  /** Messages of sixty minutes, the oldest first; the last one still runs. */
  per_minute: number[];
}

export interface Source extends Flow {
  id: string;
  protocol: 'mqtt' | 'http' | 'websocket';
  format: string;
  /** Topic filter, or path of the server. */
  address: string;
  name_zh: string;
  name_en: string;
  state: 'running' | 'paused' | 'down' | 'off';
  paused_at: string | null;
  paused_by: string | null;
  pause_reason: string | null;
  /** Nothing came for longer than is usual there; null where nothing is usual. */
  is_silent: boolean | null;
}

export interface SourceList {
  taken_at: string;
  /** When the counts began. */
  since: string;
  sources: Source[];
}

export interface SentMessage {
  id: number | null;
  received_at: string;
  source: string | null;
  address: string;
  outcome: 'stored' | 'refused';
  reason: string | null;
  detail: string | null;
  words: RefusalWords | null;
  payload: string | null;
  encoding: Encoding | null;
  withheld: 'other_areas' | 'refused_in_part' | 'persons' | null;
}

export type Encoding = 'text' | 'base64';

export interface SentList {
  uid: string;
  messages: SentMessage[];
}

/** Why something was refused, in both languages; `hint` is null where what holds for the reason is enough. */
export interface RefusalWords {
  what: Names;
  /** Of which device or gateway, and which reading of the message; "" where nobody knows. */
  where: Names;
  hint: Names | null;
  /** How many bytes the message had, where fewer are kept; else 0. */
  cut_from: number;
}

export interface RefusedRow {
  id: number;
  received_at: string;
  source: string;
  reason: string;
  /** In English, as it was kept; `words` are null of what an earlier server kept. */
  detail: string;
  words: RefusalWords | null;
  bytes: number;
  replayed_at: string | null;
}

export interface RefusedPage {
  by_reason: Record<string, number>;
  messages: RefusedRow[];
  /** Of the whole quarantine; `not_kept` since the server started. */
  room: { bytes: number; most_bytes: number; is_full: boolean; not_kept: number };
}

export interface RefusedDetail extends RefusedRow {
  payload: string;
  encoding: Encoding;
}

export interface Replayed {
  messages: number;
  taken: number;
  stored: number;
  duplicate: number;
  again: Record<string, number>;
  last: number;
  more: boolean;
}

export type TimeForm = 'milliseconds' | 'seconds' | 'iso';
export type PlaceSystem = 'wgs84' | 'gcj02' | 'bd09';

/** Where a foreign platform writes what; what is left out is as docs/ingest.md says. */
export interface Mapping {
  device: string;
  time: string;
  values: { property: string; path: string; unit?: string; factor?: number; offset?: number }[];
  time_form?: TimeForm;
  zone?: string;
  items?: string | null;
  prefix?: string;
  devices?: Record<string, string>;
  place?: { lon: string; lat: string; system?: PlaceSystem } | null;
}

export interface MappedFlow extends Flow {
  /** When the counts began, and until when they go. */
  since: string;
  taken_at: string;
}

export interface MappingRow {
  name: string;
  title: Names;
  version: number;
  /** It is used no more. */
  retired: boolean;
  changed_by: string;
  changed_at: string;
  /** Where its messages are posted to. */
  path: string;
  /** What they are published on, `+` for the name of the account. */
  topics: string[];
  flow: MappedFlow;
}

export interface MappingChange {
  version: number;
  changed_by: string;
  changed_at: string;
  /** The old version that it puts back. */
  restored: number | null;
  /** It ended the use of the mapping. */
  retired: boolean;
}

export interface MappingDetail extends MappingRow {
  mapping: Mapping;
  restored: number | null;
  versions: MappingChange[];
}

/** A field of a message: where it lies in an item of a list ("" the message itself, null for no list). */
export interface MessageField {
  path: string;
  items: string | null;
  types: ('number' | 'text' | 'yes_no' | 'null')[];
  samples: string[];
  count: number;
  time_form: TimeForm | null;
}

export interface MessageFields {
  fields: MessageField[];
  lists: { path: string; length: number }[];
  left_out: number;
}

export interface Tried {
  item: number;
  device: string;
  property: string;
  value: number;
  unit: string;
  at: string;
  lon: number | null;
  lat: number | null;
}

export interface Wrong {
  item: number | null;
  device: string;
  path: string;
  found: string;
  reason: string;
  what: Names;
  hint: Names;
}

export interface Trial {
  observations: Tried[];
  wrong: Wrong[];
  observed: number;
  refused: number;
}
