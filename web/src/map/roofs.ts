/** Make the lines of roofs and floors from the buildings of the loaded tiles. */
import type { Map as MapLibreMap } from 'maplibre-gl';
import { RoofEdgeLayer, floorLines, roofEdges, seamTest } from '../layers/roof_edge_layer.ts';

const MAX_ROOF_EDGES = 60_000;
const FLOORS_FROM_ZOOM = 15.8;
const MAX_FLOOR_LINES = 60_000;
const FLOOR_COLOUR: [number, number, number, number] = [160, 176, 190, 22];

export function roofLayers(map: MapLibreMap, tileZoom: number): RoofEdgeLayer[] {
  const footprints = map.querySourceFeatures('building', { sourceLayer: 'building' }).map((f) => ({
    rings: f.geometry.type === 'Polygon' ? f.geometry.coordinates : f.geometry.type === 'MultiPolygon' ? f.geometry.coordinates.flat() : [],
    heightM: Number(f.properties.height ?? 6),
  }));
  const onSeam = seamTest(tileZoom);
  const lines = (id: string, value: Float64Array, colour?: [number, number, number, number]) =>
    new RoofEdgeLayer({
      id,
      data: { length: value.length / 3, attributes: { getPosition: { value, size: 3 } } },
      parameters: { depthCompare: 'less-equal', depthWriteEnabled: false },
      ...(colour ? { colour } : {}),
    });
  const layers = [lines('roof-edges', roofEdges(footprints, onSeam, MAX_ROOF_EDGES))];
  if (map.getZoom() >= FLOORS_FROM_ZOOM) layers.push(lines('floor-lines', floorLines(footprints, onSeam, MAX_FLOOR_LINES), FLOOR_COLOUR));
  return layers;
}
