/** Read the names of places in view from the tiles that are loaded. */
import type { GeoJSONFeature, Map as MapLibreMap } from 'maplibre-gl';
import type { Scene } from '../api/schema.ts';

export interface PlaceName {
  key: string;
  lon: number;
  lat: number;
  name: string;
  nameEn?: string;
  note?: string;
  households?: number;
  grids?: number;
  level: string;
  rank: number;
  heightM: number;
}

const LANDMARKS_FROM_ZOOM = 15;
const MAX_LANDMARKS = 40;
/** Kinds of places whose names are written wide, as on a plan; the rest are landmarks. */
const WIDE_PLACES = ['green', 'water', 'plaza', 'square', 'park'];
/** 3号楼 says nothing to somebody who looks at a whole street. */
const NUMBERED = /^[0-9A-Za-z一二三四五六七八九十]{1,4}\s*(号楼|栋|幢|座|单元)$/;
/** More places than this never fit beside each other. */
const MAX_PLACES = 28;

/** Communities and streets, squares and parks, and the largest landmarks; each name once. */
export function placesInView(map: MapLibreMap, scene: Scene): PlaceName[] {
  if (!map.isStyleLoaded()) return [];
  const out = new Map<string, PlaceName>();
  const from = (source: string) => (map.getSource(source) ? map.querySourceFeatures(source, { sourceLayer: source }) : []);
  for (const f of from('area_label')) {
    const p = f.properties;
    if (f.geometry.type !== 'Point' || !p.name) continue;
    const level = String(p.level ?? 'community');
    if (level !== 'community' && level !== 'street') continue;
    if (level === 'street' && map.getZoom() > 14.5) continue;
    if (level === 'community' && map.getZoom() < 13) continue;
    const key = `area:${f.id ?? p.id ?? p.name}`;
    out.set(key, { key, lon: f.geometry.coordinates[0], lat: f.geometry.coordinates[1], name: String(p.name), nameEn: text(p.name_en), note: text(p.note), households: count(p.households), grids: count(p.grids), level, rank: 1, heightM: 0 });
  }
  const seen = new Set<string>();
  const placed = from('place_label')
    .filter((f) => f.geometry.type === 'Point' && f.properties.name)
    .sort((a, b) => Number(b.properties.rank ?? 0) - Number(a.properties.rank ?? 0));
  for (const f of placed) {
    const p = f.properties;
    const name = String(p.name);
    if (f.geometry.type !== 'Point' || seen.has(name) || NUMBERED.test(name) || seen.size >= MAX_PLACES) continue;
    seen.add(name);
    if (map.getZoom() < LANDMARKS_FROM_ZOOM && !WIDE_PLACES.includes(String(p.kind))) continue;
    const key = `place:${f.id ?? p.id ?? name}`;
    const landmark = !WIDE_PLACES.includes(String(p.kind));
    out.set(key, {
      key,
      lon: f.geometry.coordinates[0],
      lat: f.geometry.coordinates[1],
      name,
      nameEn: text(p.name_en),
      level: landmark ? 'landmark' : 'place',
      rank: 2 + (100 - Number(p.rank ?? 50)) / 100,
      heightM: Number(p.height ?? 0),
    });
  }
  if (map.getZoom() >= 15 && !scene.tile_layers.place_label) {
    const named = new Map<string, { f: GeoJSONFeature; size: number }>();
    for (const f of from('building')) {
      const name = f.properties.name as string | undefined;
      if (!name || seen.has(name) || NUMBERED.test(name)) continue;
      const size = ringSize(f);
      const held = named.get(name);
      if (!held || held.size < size) named.set(name, { f, size });
    }
    const largest = [...named.entries()].sort((a, b) => b[1].size - a[1].size).slice(0, MAX_LANDMARKS);
    largest.forEach(([name, { f }], i) => {
      const c = centre(f);
      if (c) out.set(`building:${name}`, { key: `building:${name}`, lon: c[0], lat: c[1], name, nameEn: text(f.properties.name_en), level: 'landmark', rank: 3 + i / 100, heightM: Number(f.properties.height ?? 0) });
    });
  }
  return [...out.values()];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}

function ring(f: GeoJSONFeature): number[][] | null {
  const g = f.geometry;
  if (g.type === 'Polygon') return g.coordinates[0];
  if (g.type === 'MultiPolygon') return g.coordinates[0][0];
  return null;
}

/** Extent of a footprint times its height, in arbitrary units: what is large is a landmark. */
function ringSize(f: GeoJSONFeature): number {
  const r = ring(f);
  if (!r) return 0;
  const lons = r.map((c) => c[0]);
  const lats = r.map((c) => c[1]);
  return (Math.max(...lons) - Math.min(...lons)) * (Math.max(...lats) - Math.min(...lats)) * Math.sqrt(Number(f.properties.height ?? 5));
}

function centre(f: GeoJSONFeature): [number, number] | null {
  const r = ring(f);
  if (!r) return null;
  const lons = r.map((c) => c[0]);
  const lats = r.map((c) => c[1]);
  return [(Math.max(...lons) + Math.min(...lons)) / 2, (Math.max(...lats) + Math.min(...lats)) / 2];
}
