import { expect, it } from 'vitest';
import { floorLines, roofEdges, seamTest } from '../../src/layers/roof_edge_layer.ts';

const square = (x: number, y: number, d = 0.0002) => [[x, y], [x + d, y], [x + d, y + d], [x, y + d], [x, y]];
const never = () => false;

it('draws each edge once, also when neighbouring tiles bring the same building twice', () => {
  const one = { rings: [square(104.06, 30.66)], heightM: 20 };
  const edges = roofEdges([one, one], never, 1000);
  expect(edges.length).toBe(4 * 6);
  [104.06, 30.66, 20, 104.0602, 30.66, 20].forEach((v, i) => expect(edges[i]).toBeCloseTo(v, 9));
  expect(roofEdges([one], never, 2).length).toBe(2 * 6);
});

it('draws floors below the roof only', () => {
  const heights = (h: number) => [...new Set([...floorLines([{ rings: [square(1, 1)], heightM: h }], never, 1000)].filter((_v, i) => i % 3 === 2))];
  expect(heights(24)).toEqual([7, 14]);
  expect(heights(9)).toEqual([]);
});

it('knows the cuts that tiles make, and nothing else', () => {
  const zoom = 16;
  const n = 2 ** zoom;
  const lon = (tile: number) => (tile / n) * 360 - 180;
  const cut = lon(51700 + 1 - 64 / 4096);
  const onSeam = seamTest(zoom);
  expect(onSeam([cut, 30.66], [cut, 30.661])).toBe(true);
  expect(onSeam([lon(51700.5), 30.66], [lon(51700.5), 30.661])).toBe(false);
  expect(onSeam([cut, 30.66], [lon(51700.6), 30.6611])).toBe(false);
});
