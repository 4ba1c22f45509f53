/** Change the polygons of a fence corner by corner, and read and write them as GeoJSON. Pure. */
import type { Polygons, Position, Ring } from '../../api/rules_schema.ts';
import { number } from '../../i18n/index.ts';

/** A corner: of which polygon, which of its borders, which corner. */
export interface CornerAt {
  polygon: number;
  ring: number;
  corner: number;
}

const DIGITS = 1e7;
const EARTH_M = 6_371_008.8;

export const rounded = ([lon, lat]: readonly number[]): Position => [Math.round(lon * DIGITS) / DIGITS, Math.round(lat * DIGITS) / DIGITS];

const withRing = (polygons: Polygons, at: Omit<CornerAt, 'corner'>, make: (corners: Position[]) => Position[]): Polygons =>
  polygons.flatMap((polygon, p) => {
    if (p !== at.polygon) return [polygon];
    const rings = polygon.flatMap((ring, r) => {
      if (r !== at.ring) return [ring];
      const corners = make(ring.slice(0, -1));
      return corners.length < 3 ? [] : [closed(corners)];
    });
    // without its outer border there is no polygon, whatever holes it had
    return polygon.length && rings.length < polygon.length && at.ring === 0 ? [] : [rings];
  });

export function closed(corners: Position[]): Ring {
  return [...corners, corners[0]];
}

export function moved(polygons: Polygons, at: CornerAt, to: Position): Polygons {
  return withRing(polygons, at, (corners) => corners.map((corner, i) => (i === at.corner ? rounded(to) : corner)));
}

/** Put a new corner after one. */
export function inserted(polygons: Polygons, after: CornerAt, to: Position): Polygons {
  return withRing(polygons, after, (corners) => [...corners.slice(0, after.corner + 1), rounded(to), ...corners.slice(after.corner + 1)]);
}

/** Take a corner away; a border with fewer than three goes, and with the outer one its polygon. */
export function removed(polygons: Polygons, at: CornerAt): Polygons {
  return withRing(polygons, at, (corners) => corners.filter((_corner, i) => i !== at.corner));
}

export function cornerCount(polygons: Polygons): number {
  return polygons.reduce((sum, polygon) => sum + polygon.reduce((inner, ring) => inner + Math.max(0, ring.length - 1), 0), 0);
}

/** Area on the sphere, m² (Chamberlain and Duquette 2007, JPL Publication 07-03): enough to see a mistake by. */
export function areaM2(polygons: Polygons): number {
  const rad = Math.PI / 180;
  const ringArea = (ring: Ring) => {
    let sum = 0;
    for (let i = 0; i + 1 < ring.length; i++) sum += (ring[i + 1][0] - ring[i][0]) * rad * (2 + Math.sin(ring[i][1] * rad) + Math.sin(ring[i + 1][1] * rad));
    return Math.abs((sum * EARTH_M * EARTH_M) / 2);
  };
  return polygons.reduce((sum, [outer, ...holes]) => sum + (outer ? ringArea(outer) : 0) - holes.reduce((inner, hole) => inner + ringArea(hole), 0), 0);
}

/** How large a fence is, as people read it. */
export function areaSaid(polygons: Polygons): string {
  const m2 = areaM2(polygons);
  return m2 < 1e5 ? `${number(m2, 0)} m²` : `${number(m2 / 1e6, 2)} km²`;
}

/** West, south, east, north of all corners; null where there are none. */
export function boundsOf(polygons: Polygons): [number, number, number, number] | null {
  const all = polygons.flat(2);
  if (!all.length) return null;
  let [w, s, e, n] = [180, 90, -180, -90];
  for (const [lon, lat] of all) [w, s, e, n] = [Math.min(w, lon), Math.min(s, lat), Math.max(e, lon), Math.max(n, lat)];
  return [w, s, e, n];
}

export function writeGeoJson(polygons: Polygons): string {
  return polygons.length ? JSON.stringify({ type: 'MultiPolygon', coordinates: polygons }) : '';
}

/** What is wrong with text that should be GeoJSON: a key of the words, and where it is. */
export interface GeoFault {
  fault: 'json' | 'noPolygon' | 'position' | 'swapped' | 'short' | 'open';
  where: string;
}

/** Read Polygon, MultiPolygon, or any collection and feature of them; heights are left out. */
export function readGeoJson(text: string): Polygons | GeoFault {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (problem) {
    return { fault: 'json', where: problem instanceof Error ? problem.message : '' };
  }
  const found = coordinatesIn(json);
  if (!found.length) return { fault: 'noPolygon', where: '' };
  const polygons: Polygons = [];
  for (const [p, polygon] of found.entries()) {
    if (!Array.isArray(polygon) || !polygon.length) return { fault: 'noPolygon', where: `[${p}]` };
    const rings: Ring[] = [];
    for (const [r, ring] of polygon.entries()) {
      const read = readRing(ring, `[${p}][${r}]`);
      if ('fault' in read) return read;
      rings.push(read);
    }
    polygons.push(rings);
  }
  return polygons;
}

function coordinatesIn(json: unknown): unknown[] {
  const it = json as { type?: string; coordinates?: unknown; geometry?: unknown; geometries?: unknown[]; features?: unknown[] } | null;
  if (it?.type === 'Polygon') return [it.coordinates];
  if (it?.type === 'MultiPolygon') return Array.isArray(it.coordinates) ? it.coordinates : [];
  if (it?.type === 'Feature') return coordinatesIn(it.geometry);
  return [...(Array.isArray(it?.features) ? it.features : []), ...(Array.isArray(it?.geometries) ? it.geometries : [])].flatMap(coordinatesIn);
}

function readRing(ring: unknown, where: string): Ring | GeoFault {
  if (!Array.isArray(ring)) return { fault: 'position', where };
  const read: Ring = [];
  for (const [i, at] of ring.entries()) {
    const [lon, lat] = Array.isArray(at) ? (at as unknown[]) : [];
    if (typeof lon !== 'number' || typeof lat !== 'number' || Math.abs(lon) > 180) return { fault: 'position', where: `${where}[${i}]` };
    if (Math.abs(lat) > 90) return { fault: Math.abs(lon) <= 90 ? 'swapped' : 'position', where: `${where}[${i}]` };
    read.push(rounded([lon, lat]));
  }
  const [first, last] = [read[0], read.at(-1)];
  if (read.length < 4) return { fault: 'short', where };
  if (first[0] !== last![0] || first[1] !== last![1]) return { fault: 'open', where };
  return read;
}
