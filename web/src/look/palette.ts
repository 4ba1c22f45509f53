/** The colours of look/tokens.css where CSS cannot reach: shaders and map paint. Keep the two the same. */

export type Rgb = [number, number, number];

/** By state code: normal, unknown, offline, warning, alarm, critical. */
export const STATE_NAMES = ['normal', 'unknown', 'offline', 'warning', 'alarm', 'critical'] as const;
export type StateName = (typeof STATE_NAMES)[number];

export const hex = (value: string): Rgb => [1, 3, 5].map((i) => parseInt(value.slice(i, i + 2), 16)) as Rgb;

export const TOKENS = {
  text: '#e8ebee',
  text2: '#aeb8c2',
  text3: '#8d99a5',
  ok: '#8a96a2',
  focus: '#56b4e9',
  warning: '#e69f00',
  alarm: '#ff7043',
  critical: '#ff4d6d',
  person: '#3ecfa6',
  ground: '#10141a',
  block: '#141a20',
  green: '#17231f',
  water: '#172a38',
  plaza: '#1b2229',
  road: '#2c3640',
  road2: '#242d36',
  path: '#2b353f',
  border: '#8fa3b5',
  roof: '#46525f',
  wallLit: '#3a4550',
  edge: '#6a7886',
  halo: '#0d1116',
} as const;

export const STATE_PALETTE: Rgb[] = [TOKENS.ok, TOKENS.text3, TOKENS.text3, TOKENS.warning, TOKENS.alarm, TOKENS.critical].map(hex);

/** State as it comes from the API: a code or a name. */
export function stateCode(state: number | string | null | undefined): number {
  if (typeof state === 'number') return state >= 0 && state < STATE_NAMES.length ? state : 1;
  const code = STATE_NAMES.indexOf(state as StateName);
  return code < 0 ? 1 : code;
}

export function stateName(state: number | string | null | undefined): StateName {
  return STATE_NAMES[stateCode(state)];
}
