/** Types of what the HTTP API answers about signing in, accounts and the record of acts. */
import type { Names } from './schema.ts';

export interface SignInAnswer {
  state: 'signed_in' | 'code_needed';
  must_change_password: boolean;
  step: string | null;
  /** `otpauth://` address of a new authenticator, where the account has none yet. */
  enrolment: string | null;
}

export interface Account {
  id: string;
  name: string;
  display_name: string;
  kind: 'person' | 'kiosk' | 'program';
  demo: boolean;
  must_change_password: boolean;
  /** The account of a grid worker, who has a duty and a track. */
  is_worker: boolean;
  roles: { role: string; title: Names }[];
  reads: string[];
  acts: string[];
}

/** One look at the own track. */
export interface Look {
  at: string;
  account: string;
  roles: Names[];
  reason: string;
  /** How far back was looked. */
  minutes: number | null;
}

/** How long a session still lasts, s: in all, and should nobody do anything (null: that does not end it). */
export interface Remaining {
  ends_s: number;
  idle_s: number | null;
  /** How long it lasts from each act on. */
  idle_after_s: number;
}

export interface SessionAnswer {
  account: Account | null;
  remaining: Remaining | null;
}

export interface HeldRole {
  id: number;
  role: string;
  area_code: string;
  area_level: string;
  area_name: Names | null;
}

/** An area a role can be held at: what it lies in, from the whole to the part, and how many lie in it. */
export interface AreaChoice {
  code: string;
  level: string;
  name: Names;
  above: Names[];
  inside: number;
}

export interface AccountRow {
  id: string;
  name: string;
  display_name: string;
  kind: Account['kind'];
  demo: boolean;
  disabled: boolean;
  locked: boolean;
  second_factor: boolean;
  held: HeldRole[];
}

export interface Role {
  name: string;
  title: Names;
  /** Duties of different kinds are kept apart: one account holds roles of one only. */
  duty: 'business' | 'system' | 'security' | 'audit' | 'machine';
  privileged: boolean;
  reads: string[];
  acts: string[];
}

export interface AccountList {
  accounts: AccountRow[];
  roles: Role[];
}

export interface Secret {
  secret: string | null;
  expires_s: number | null;
}

export interface RecordEntry {
  seq: number;
  at: string;
  actor: string;
  roles: string;
  address: string;
  action: string;
  object: string;
  result: string;
  reason: string;
  detail: Record<string, unknown>;
}
