/** The colours of look/tokens.css where CSS cannot reach: shaders and map paint. Keep the two the same. */
import type { Theme } from './theme.ts';

export type Rgb = [number, number, number];

/** By state code: normal, unknown, offline, warning, alarm, critical. */
export const STATE_NAMES = ['normal', 'unknown', 'offline', 'warning', 'alarm', 'critical'] as const;
export type StateName = (typeof STATE_NAMES)[number];

export const hex = (value: string): Rgb => [1, 3, 5].map((i) => parseInt(value.slice(i, i + 2), 16)) as Rgb;

const dark = {
  text: '#e8ebee',
  text2: '#aeb8c2',
  text3: '#8d99a5',
  ok: '#8a96a2',
  focus: '#56b4e9',
  warning: '#e69f00',
  alarm: '#ff7043',
  critical: '#ff4d6d',
  person: '#3ecfa6',
  case: '#cc79a7',
  ground: '#10141a',
  block: '#141a20',
  green: '#17231f',
  water: '#172a38',
  plaza: '#1b2229',
  road: '#2c3640',
  road2: '#242d36',
  roadCase: '#0d1217',
  path: '#2b353f',
  border: '#8fa3b5',
  shade: '#05070a',
  roof: '#46525f',
  low: '#394551',
  middle: '#36414d',
  high: '#2f3944',
  chosen: '#2c6a94',
  affected: '#8a5a1c',
  wallLit: '#3a4550',
  edge: '#6a7886',
  halo: '#0d1116',
  /** Strength of the light on walls, 0 to 1. */
  shading: 0.42,
};

export type Tokens = Readonly<typeof dark>;

const light: Tokens = {
  text: '#1b2127',
  text2: '#4a545e',
  text3: '#5f6a75',
  ok: '#626d78',
  focus: '#006aa6',
  warning: '#985a00',
  alarm: '#b83a08',
  critical: '#b3123a',
  person: '#00795c',
  case: '#96397a',
  ground: '#eceeef',
  block: '#e6e9ea',
  green: '#dbe5dc',
  water: '#cfdde6',
  plaza: '#f3f3f1',
  road: '#ffffff',
  road2: '#fafbfb',
  roadCase: '#d3d8dc',
  path: '#d9dde0',
  border: '#5d6b78',
  shade: '#8f99a3',
  roof: '#fbfcfc',
  low: '#fbfcfc',
  middle: '#f6f8f8',
  high: '#eef1f3',
  chosen: '#7fb6d8',
  affected: '#e0b060',
  wallLit: '#dfe3e6',
  edge: '#b9c0c6',
  halo: '#ffffff',
  shading: 0.2,
};

export const PALETTES: Record<Theme, Tokens> = { dark, light };

/** By state code, as the points of devices are drawn. */
export function statePalette(tokens: Tokens): Rgb[] {
  return [tokens.ok, tokens.text3, tokens.text3, tokens.warning, tokens.alarm, tokens.critical].map(hex);
}

/** State as it comes from the API: a code or a name. */
export function stateCode(state: number | string | null | undefined): number {
  if (typeof state === 'number') return state >= 0 && state < STATE_NAMES.length ? state : 1;
  const code = STATE_NAMES.indexOf(state as StateName);
  return code < 0 ? 1 : code;
}

export function stateName(state: number | string | null | undefined): StateName {
  return STATE_NAMES[stateCode(state)];
}
