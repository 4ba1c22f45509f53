/** Write the base map's style by hand from the tokens: ground, roads, borders, buildings. */
import type { ExpressionSpecification, FilterSpecification, LayerSpecification, SourceSpecification, StyleSpecification } from 'maplibre-gl';
import type { FeatureCollection, Geometry } from 'geojson';
import type { Scene } from '../api/schema.ts';
import type { Trace } from '../api/things_schema.ts';
import type { Tokens } from '../look/palette.ts';
import type { ShownFence } from '../state/group_fence.svelte.ts';
import { MAP_FONT, fontFaces } from './fonts.ts';

/** Tile layers the style reads; a scene may offer fewer. */
export const TILE_LAYERS = ['green', 'water', 'unit_grid', 'road', 'area', 'area_label', 'place_label', 'camera_field', 'compound', 'network_line', 'network_node', 'component', 'building'] as const;

/** Which layers a switch of the legend shows and hides. */
export const TOGGLED: Record<string, string[]> = {
  camera_field: ['camera_field', 'camera_field-edge'],
  component: ['component'],
  network: ['network_line', 'network_node'],
  compound: ['compound', 'compound-edge'],
};

/** Told apart from each other and from the colours of states. */
const UTILITY: ExpressionSpecification = ['match', ['get', 'utility'], 'water', '#6f9fd8', 'gas', '#b7a566', '#b08bd0'];
const hidden = { visibility: 'none' } as const;

/** Widths of roads, m, where the data gives none (typical carriageway by class). */
const ROAD_WIDTH_M: [string[], number][] = [
  [['motorway', 'trunk'], 22],
  [['primary', 'motorway_link', 'trunk_link'], 18],
  [['secondary', 'primary_link'], 14],
  [['tertiary', 'secondary_link'], 11],
  [['residential', 'unclassified', 'living_street', 'tertiary_link', 'pedestrian'], 7],
  [['service', 'track'], 4],
];
const PATH_CLASSES = ['footway', 'path', 'steps', 'cycleway', 'corridor', 'bridleway'];
const MINOR_CLASSES = ['service', 'track', 'pedestrian', 'living_street', 'residential', 'unclassified'];
const EARTH_CIRCUMFERENCE_M = 40_075_016.686;

const roadWidthM: ExpressionSpecification = [
  'to-number',
  ['coalesce', ['get', 'width'], ['match', ['get', 'class'], ...ROAD_WIDTH_M.flatMap(([classes, w]) => [classes, w]), 2.4] as unknown as ExpressionSpecification],
  5,
];

/** A line as wide as so many metres on the ground, never thinner than `minimum` px. */
function metres(width: ExpressionSpecification, latitude: number, minimum: number): ExpressionSpecification {
  const pxPerM = (zoom: number) => (512 * 2 ** zoom) / (EARTH_CIRCUMFERENCE_M * Math.cos((latitude * Math.PI) / 180));
  return ['interpolate', ['exponential', 2], ['zoom'], 9, ['max', minimum * 0.4, ['*', width, pxPerM(9)]], 14, ['max', minimum, ['*', width, pxPerM(14)]], 22, ['*', width, pxPerM(22)]];
}

export function tileUrl(layer: string, version: number): string {
  return `${location.origin}/tiles/${layer}/{z}/{x}/{y}.mvt?v=${version}`;
}

function sources(scene: Scene): Record<string, SourceSpecification> {
  const out: Record<string, SourceSpecification> = { trace: { type: 'geojson', data: traceData(null) }, alarm_fence: { type: 'geojson', data: fenceData(null) } };
  for (const layer of TILE_LAYERS) {
    const offered = scene.tile_layers[layer];
    if (!offered) continue;
    out[layer] = { type: 'vector', tiles: [tileUrl(layer, offered.version)], minzoom: offered.minzoom, maxzoom: offered.maxzoom, bounds: padded(scene.bounds) };
  }
  return out;
}

/** The scene's bounds with a margin, so that tiles outside the city are never asked for. */
function padded([w, s, e, n]: Scene['bounds']): [number, number, number, number] {
  const dx = (e - w) * 0.2;
  const dy = (n - s) * 0.2;
  return [w - dx, s - dy, e + dx, n + dy];
}

const isPolygon: FilterSpecification = ['match', ['geometry-type'], ['Polygon', 'MultiPolygon'], true, false];
const isLine: FilterSpecification = ['match', ['geometry-type'], ['LineString', 'MultiLineString'], true, false];
const classIn = (classes: string[]): ExpressionSpecification => ['in', ['get', 'class'], ['literal', classes]];
const none: FilterSpecification = ['==', ['id'], -1];

const height: ExpressionSpecification = ['to-number', ['get', 'height'], 6];

/** The colour of a state that a feature tells. */
const stateColor = (tokens: Tokens): ExpressionSpecification => ['match', ['get', 'state'], 'critical', tokens.critical, 'alarm', tokens.alarm, 'warning', tokens.warning, tokens.text2];

/** What is drawn of a trace: lines that are cut off or lose their supply, and what must be closed. */
export function traceData(trace: Trace | null): FeatureCollection {
  const lines = [
    { section: true, geometry: trace?.section },
    { section: false, geometry: trace?.lost },
  ].flatMap(({ section, geometry }) => (geometry ? [{ type: 'Feature' as const, properties: { section }, geometry: geometry as Geometry }] : []));
  const close = (trace?.to_close ?? []).map((node) => ({ type: 'Feature' as const, properties: {}, geometry: { type: 'Point' as const, coordinates: [node.lon, node.lat] } }));
  return { type: 'FeatureCollection', features: [...lines, ...close] };
}

/** What is drawn of the fence that open alarms are about. */
export function fenceData(fence: ShownFence | null): FeatureCollection {
  const features = fence ? [{ type: 'Feature' as const, properties: { state: fence.state }, geometry: { type: 'MultiPolygon' as const, coordinates: fence.polygons } }] : [];
  return { type: 'FeatureCollection', features };
}

export function baseStyle(scene: Scene, tokens: Tokens): StyleSpecification {
  const latitude = scene.center[1];
  const from = (layer: string) => ({ source: layer, 'source-layer': layer });
  const layers: LayerSpecification[] = [
    { id: 'ground', type: 'background', paint: { 'background-color': tokens.block } },
    { id: 'green', type: 'fill', ...from('green'), filter: isPolygon, paint: { 'fill-color': ['match', ['get', 'class'], 'plaza', tokens.plaza, tokens.green], 'fill-antialias': false } },
    { id: 'water', type: 'fill', ...from('water'), filter: isPolygon, paint: { 'fill-color': tokens.water } },
    { id: 'water-line', type: 'line', ...from('water'), filter: isLine, layout: { 'line-cap': 'round' }, paint: { 'line-color': tokens.water, 'line-width': metres(['literal', 5] as unknown as ExpressionSpecification, latitude, 1) } },
    { id: 'unit_grid', type: 'line', ...from('unit_grid'), minzoom: 14.5, paint: { 'line-color': tokens.border, 'line-opacity': 0.13, 'line-width': 1 } },
    {
      id: 'path', type: 'line', ...from('road'), minzoom: 15, filter: classIn(PATH_CLASSES),
      paint: { 'line-color': tokens.path, 'line-width': metres(['min', roadWidthM, 2.6], latitude, 0.5), 'line-opacity': 0.75 },
    },
    {
      id: 'road-case', type: 'line', ...from('road'), minzoom: 13, filter: ['!', classIn(PATH_CLASSES)], layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': tokens.roadCase, 'line-width': metres(['+', roadWidthM, 3.2], latitude, 1.2) },
    },
    {
      id: 'road-minor', type: 'line', ...from('road'), filter: classIn(MINOR_CLASSES), layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': tokens.road2, 'line-width': metres(roadWidthM, latitude, 0.5) },
    },
    {
      id: 'road-major', type: 'line', ...from('road'), filter: ['all', ['!', classIn(MINOR_CLASSES)], ['!', classIn(PATH_CLASSES)]] as FilterSpecification, layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': tokens.road, 'line-width': metres(roadWidthM, latitude, 0.9) },
    },
    { id: 'area-selected', type: 'fill', ...from('area'), filter: none, paint: { 'fill-color': tokens.focus, 'fill-opacity': 0.06 } },
    {
      id: 'area-community', type: 'line', ...from('area'), minzoom: 12, filter: ['==', ['get', 'level'], 'community'], layout: { 'line-join': 'round' },
      paint: { 'line-color': tokens.border, 'line-opacity': 0.5, 'line-width': 1.5, 'line-dasharray': [6, 4.5] },
    },
    {
      id: 'area-street', type: 'line', ...from('area'), filter: ['in', ['get', 'level'], ['literal', ['street', 'district', 'city']]], layout: { 'line-join': 'round' },
      paint: { 'line-color': tokens.border, 'line-opacity': 0.5, 'line-width': 2.2, 'line-dasharray': [7.5, 2.5, 1.7, 2.5] },
    },
    // what stands darkens the ground at its foot
    {
      id: 'building-foot', type: 'line', ...from('building'), minzoom: 15,
      paint: { 'line-color': tokens.shade, 'line-opacity': 0.5, 'line-width': ['interpolate', ['exponential', 2], ['zoom'], 15, 3, 18, 20], 'line-blur': ['interpolate', ['exponential', 2], ['zoom'], 15, 3, 18, 18] },
    },
    // hand in hand with the light from the north-west: shadows fall to the south-east
    {
      id: 'building-shadow', type: 'fill', ...from('building'), minzoom: 15,
      paint: { 'fill-color': tokens.shade, 'fill-opacity': 0.42, 'fill-antialias': false, 'fill-translate-anchor': 'map', 'fill-translate': ['interpolate', ['exponential', 2], ['zoom'], 15, ['literal', [3, 2]], 18, ['literal', [24, 16]]] },
    },
    { id: 'camera_field', type: 'fill', ...from('camera_field'), minzoom: 14, paint: { 'fill-color': tokens.text2, 'fill-opacity': 0.12, 'fill-antialias': false } },
    { id: 'camera_field-edge', type: 'line', ...from('camera_field'), minzoom: 15, paint: { 'line-color': tokens.text2, 'line-opacity': 0.36, 'line-width': 1 } },
    { id: 'camera_field-selected', type: 'fill', ...from('camera_field'), filter: none, paint: { 'fill-color': tokens.focus, 'fill-opacity': 0.24, 'fill-outline-color': tokens.focus } },
    { id: 'compound', type: 'fill', ...from('compound'), layout: hidden, paint: { 'fill-color': tokens.border, 'fill-opacity': 0.1 } },
    { id: 'compound-edge', type: 'line', ...from('compound'), layout: hidden, paint: { 'line-color': tokens.border, 'line-width': 1.5, 'line-opacity': 0.8 } },
    { id: 'network_line', type: 'line', ...from('network_line'), layout: { ...hidden, 'line-cap': 'round' }, paint: { 'line-color': UTILITY, 'line-width': ['interpolate', ['linear'], ['zoom'], 13, 0.8, 17, 2.4] } },
    { id: 'alarm_fence-fill', type: 'fill', source: 'alarm_fence', paint: { 'fill-color': stateColor(tokens), 'fill-opacity': 0.16 } },
    { id: 'alarm_fence-edge', type: 'line', source: 'alarm_fence', layout: { 'line-join': 'round' }, paint: { 'line-color': stateColor(tokens), 'line-width': 3, 'line-dasharray': [2, 1.2] } },
    { id: 'trace-line', type: 'line', source: 'trace', filter: isLine, layout: { 'line-cap': 'round' }, paint: { 'line-color': ['case', ['get', 'section'], tokens.critical, tokens.warning], 'line-width': 4 } },
    {
      id: 'network_node', type: 'circle', ...from('network_node'), minzoom: 15, layout: hidden,
      paint: { 'circle-radius': ['interpolate', ['linear'], ['zoom'], 15, 2.2, 18, 5], 'circle-color': ['case', ['boolean', ['get', 'shut'], false], tokens.halo, UTILITY], 'circle-stroke-color': UTILITY, 'circle-stroke-width': 1.5 },
    },
    {
      id: 'component', type: 'circle', ...from('component'), minzoom: 15, layout: hidden,
      paint: { 'circle-radius': ['interpolate', ['linear'], ['zoom'], 15, 1.6, 18, 4], 'circle-color': ['match', ['get', 'state'], 'intact', tokens.text2, tokens.warning], 'circle-opacity': 0.9 },
    },
    { id: 'trace-close', type: 'circle', source: 'trace', filter: ['==', ['geometry-type'], 'Point'], paint: { 'circle-radius': 7, 'circle-color': tokens.halo, 'circle-stroke-color': tokens.critical, 'circle-stroke-width': 3 } },
    // on the ground: buildings hide what runs behind them
    {
      id: 'road-name', type: 'symbol', ...from('road'), minzoom: 16.5, filter: ['all', ['has', 'name'], ['!', classIn(PATH_CLASSES)]] as FilterSpecification,
      layout: { 'symbol-placement': 'line', 'symbol-spacing': 900, 'text-field': ['get', 'name'], 'text-font': [MAP_FONT], 'text-size': 15, 'text-letter-spacing': 0.2, 'text-pitch-alignment': 'map' },
      paint: { 'text-color': tokens.text2, 'text-halo-color': tokens.halo, 'text-halo-width': 0.8, 'text-opacity': 0.8 },
    },
    {
      id: 'building', type: 'fill-extrusion', ...from('building'),
      paint: {
        'fill-extrusion-color': [
          'case',
          ['boolean', ['feature-state', 'selected'], false],
          tokens.chosen,
          ['boolean', ['feature-state', 'affected'], false],
          tokens.affected,
          // tall roofs are darker, as in haze; the walls follow by the light
          ['interpolate', ['linear'], height, 4, tokens.low, 30, tokens.middle, 110, tokens.high],
        ],
        'fill-extrusion-height': height,
        'fill-extrusion-base': ['to-number', ['get', 'min_height'], 0],
        'fill-extrusion-vertical-gradient': true,
        'fill-extrusion-opacity': 1,
      },
    },
    // never seen: their tiles are read for the labels, which are HTML
    ...['area_label', 'place_label'].map((layer): LayerSpecification => ({ id: layer, type: 'circle', ...from(layer), paint: { 'circle-radius': 0, 'circle-opacity': 0 } })),
  ];
  const offered = sources(scene);
  return {
    version: 8,
    'font-faces': { [MAP_FONT]: fontFaces() },
    // pale walls need less of it: their shade is what the light takes away
    light: { anchor: 'map', position: [1.3, 315, 38], color: '#ffffff', intensity: tokens.shading },
    sources: offered,
    layers: layers.filter((layer) => layer.type === 'background' || (layer as { source: string }).source in offered),
  } as StyleSpecification;
}
