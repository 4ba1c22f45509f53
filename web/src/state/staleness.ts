/** Say how old the data of a layer is, and from when on it may no longer be shown as live. */
import type { Connection, LayerAge } from '../api/socket.ts';

export type Freshness = 'live' | 'late' | 'dead';

/** The connection has been lost for so long: states are drawn as unknown. */
export const LOST_AFTER_S = 30;

export interface LayerFreshness {
  state: Freshness;
  /** Age of the newest observation, s; null when there is none. */
  ageS: number | null;
}

/**
 * Freshness of a layer now.
 *
 * `heardS` is how long ago the server last told the ages: while it is silent the age grows here, so that a
 * screen whose server is gone never goes on saying 0.8 s.
 */
export function freshness(age: LayerAge | undefined, connection: Connection, heardS: number, lostS: number): LayerFreshness {
  const ageS = age?.newest_s === null || age?.newest_s === undefined ? null : age.newest_s + Math.max(0, heardS - 1);
  if (connection !== 'live' && lostS > LOST_AFTER_S) return { state: 'dead', ageS };
  if (!age) return { state: connection === 'live' ? 'live' : 'late', ageS: null };
  if (connection !== 'live' && lostS > 3) return { state: age.state === 'dead' ? 'dead' : 'late', ageS };
  return { state: age.state, ageS };
}
