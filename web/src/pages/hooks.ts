/** Show tests and the benchmark what the page holds: window.__gridtwin. */
import type { CityMap } from '../map/city_map.ts';
import { STATE_NAMES } from '../look/palette.ts';
import type { LivePage } from '../state/live_page.svelte.ts';

export function expose(page: LivePage, map: CityMap): void {
  const rows = (layer: 'devices' | 'workers') => (layer === 'workers' ? page.board.workers : page.board.devices);
  Object.assign(window, {
    __gridtwin: {
      perf: page.board.perf,
      connection: () => page.connection,
      position: () => page.socketPosition(),
      gaps: () => page.socketGaps(),
      mode: () => page.mode,
      counts: () => Object.fromEntries(STATE_NAMES.map((name, i) => [name, page.board.devices.counts[i]])),
      size: () => ({ devices: page.board.devices.length, workers: page.board.workers.length, cells: page.board.cells.size }),
      row: (id: number, layer: 'devices' | 'workers' = 'devices') => {
        const r = rows(layer);
        const at = r.rowOf(id);
        if (at === undefined) return null;
        return { id, lon: r.position[3 * at], lat: r.position[3 * at + 1], height_m: r.position[3 * at + 2], value: r.value[at], kind: r.kind[at], state: STATE_NAMES[r.state[at]], flags: r.flags[at] };
      },
      /** How often changed states of devices went to the GPU. */
      uploads: () => page.board.devices.taken,
      ages: () => page.ages,
      lost: () => page.lost,
      /** The way that is drawn. */
      way: () => map.deck.shownWay(),
      select: (type: 'device' | 'worker' | 'building', id: number) => page.select({ type, id }),
      project: (lon: number, lat: number) => {
        const { x, y } = map.map.project([lon, lat]);
        return { x, y };
      },
      /** Cost of gliding: steps, how many were drawn, main-thread time, ms. */
      glide: () => ({ ...map.deck.glideCost }),
      idle: () => map.map.loaded() && !map.map.isMoving(),
      view: () => ({ center: map.map.getCenter().toArray(), zoom: map.map.getZoom(), pitch: map.map.getPitch(), bearing: map.map.getBearing() }),
      jump: (view: { center?: [number, number]; zoom?: number; pitch?: number; bearing?: number }) => void map.map.jumpTo(view),
      /** Lose the WebGL contexts of map and overlay, as a driver reset does. */
      loseContext: () => {
        for (const canvas of [map.map.getCanvas(), map.liveCanvas()]) {
          canvas?.getContext('webgl2')?.getExtension('WEBGL_lose_context')?.loseContext();
        }
      },
    },
  });
}
