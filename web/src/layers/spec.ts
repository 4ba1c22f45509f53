/** Check a declared layer before it is drawn: class, data, and what the page reads of it. */

type Props = Record<string, unknown>;

/** Classes the page can draw; convert.ts holds the same, and the compiler compares them. */
export const CLASS_NAMES = [
  'DevicePointLayer',
  'H3HexagonLayer',
  'TripsLayer',
  'PathLayer',
  'ScatterplotLayer',
  'PolygonLayer',
  'SolidPolygonLayer',
  'LineLayer',
  'TextLayer',
  'GeoJsonLayer',
  'IconLayer',
] as const;
export type ClassName = (typeof CLASS_NAMES)[number];

const LIVE_NAMES = ['live:devices', 'live:vehicles', 'live:workers', 'live:cells', 'live:way'];

/** What the page reads of a layer beside deck's own props. */
export interface LayerExtras {
  id: string;
  type: string;
  data: string | null;
  beforeId: string | null;
  refreshS: number;
  toggle: string | null;
}

export function extras(spec: Props): LayerExtras {
  const data = spec.data;
  return {
    id: String(spec.id ?? spec['@@type']),
    type: String(spec['@@type']),
    data: typeof data === 'string' ? data : null,
    beforeId: typeof spec.beforeId === 'string' ? spec.beforeId : null,
    refreshS: typeof spec.refreshS === 'number' ? spec.refreshS : 60,
    toggle: typeof spec.toggle === 'string' ? spec.toggle : null,
  };
}

/** Only our own API may be read, whatever a declaration says. */
export function isApiPath(data: string): boolean {
  return data.startsWith('/api/') && !data.includes('..');
}

/**
 * Why a declared layer cannot be drawn, or null.
 *
 * deck.gl would only warn on the console; a wall has nobody who reads that.
 */
export function problem(spec: Props): string | null {
  const x = extras(spec);
  if (!(CLASS_NAMES as readonly string[]).includes(x.type)) return `${x.id}: ${x.type}`;
  if (x.data !== null && !LIVE_NAMES.includes(x.data) && !isApiPath(x.data)) return `${x.id}: ${x.data}`;
  return null;
}
