/** Make the lines of roofs and floors from the buildings of the loaded tiles. */
import type { Map as MapLibreMap } from 'maplibre-gl';
import type { Theme } from '../look/theme.ts';
import { RoofEdgeLayer, floorLines, roofEdges, seamTest } from '../layers/roof_edge_layer.ts';

const MAX_ROOF_EDGES = 60_000;
const FLOORS_FROM_ZOOM = 15.8;
const MAX_FLOOR_LINES = 60_000;
type Rgba = [number, number, number, number];
/** Of the edges of roofs, and of the lines between floors. */
const COLOURS: Record<Theme, { edge: Rgba; floor: Rgba }> = {
  dark: { edge: [116, 131, 146, 215], floor: [160, 176, 190, 22] },
  light: { edge: [176, 185, 193, 230], floor: [96, 110, 122, 20] },
};

export function roofLayers(map: MapLibreMap, tileZoom: number, theme: Theme): RoofEdgeLayer[] {
  const footprints = map.querySourceFeatures('building', { sourceLayer: 'building' }).map((f) => ({
    rings: f.geometry.type === 'Polygon' ? f.geometry.coordinates : f.geometry.type === 'MultiPolygon' ? f.geometry.coordinates.flat() : [],
    heightM: Number(f.properties.height ?? 6),
  }));
  const onSeam = seamTest(tileZoom);
  const lines = (id: string, value: Float64Array, colour: Rgba) =>
    new RoofEdgeLayer({
      id,
      data: { length: value.length / 3, attributes: { getPosition: { value, size: 3 } } },
      parameters: { depthCompare: 'less-equal', depthWriteEnabled: false },
      colour,
    });
  const layers = [lines('roof-edges', roofEdges(footprints, onSeam, MAX_ROOF_EDGES), COLOURS[theme].edge)];
  if (map.getZoom() >= FLOORS_FROM_ZOOM) layers.push(lines('floor-lines', floorLines(footprints, onSeam, MAX_FLOOR_LINES), COLOURS[theme].floor));
  return layers;
}
