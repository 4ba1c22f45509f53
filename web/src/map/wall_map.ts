/** Own the one map of the page: base map, deck overlays, marks, camera and picking. */
import { MapLibreOverlay } from '@deck.gl/maplibre';
import type { Layer } from '@deck.gl/core';
import type { Device } from '@luma.gl/core';
import { Map as MapLibreMap, setWorkerUrl, type GeoJSONFeature, type PaddingOptions } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import type { LayerSpec, Scene } from '../api/schema.ts';
import { get } from '../api/client.ts';
import type { TilesChanged, Viewport } from '../api/socket.ts';
import { makeConverter } from '../layers/convert.ts';
import { extras, problem, type LayerExtras } from '../layers/spec.ts';
import { RoofEdgeLayer, floorLines, roofEdges, seamTest } from '../layers/roof_edge_layer.ts';
import { LiveSource } from '../layers/live_source.ts';
import type { Commit, LiveBoard } from '../state/live.ts';
import type { Box } from './labels.ts';
import { Marks, type Mark } from './marks.ts';
import { baseStyle, tileUrl } from './style.ts';

setWorkerUrl(workerUrl);

export interface Picked {
  type: 'device' | 'worker' | 'building' | 'mark';
  id: number | string;
}

export interface WallMapHandlers {
  /** The view has come to rest somewhere else. */
  viewport(viewport: Viewport): void;
  picked(what: Picked | null): void;
  hovered(what: { type: 'device' | 'worker'; row: number; x: number; y: number } | null): void;
  /** Names of places in view, found in the tiles. */
  places(names: PlaceName[]): void;
  problem(detail: string): void;
  /** A WebGL context is gone: make a new map where this one stands. */
  contextLost(): void;
}

export interface CameraView {
  center: [number, number];
  zoom: number;
  pitch: number;
  bearing: number;
}

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

type Props = Record<string, unknown>;

const VIEWPORT_DEBOUNCE_MS = 250;
const HOVER_EVERY_MS = 60;
const HOVER_RADIUS_PX = 12;
const FLIGHT_MS = 700;
const EARTH_CIRCUMFERENCE_M = 40_075_016.686;
/** How far the scene may reach under the panels: its corners are of no interest. */
const FILL = 1.3;
const POINTS_FROM_ZOOM = 14.2;
const LANDMARKS_FROM_ZOOM = 15;
const ROOFS_FROM_ZOOM = 15.2;
const MAX_ROOF_EDGES = 60_000;
const FLOORS_FROM_ZOOM = 15.8;
const MAX_FLOOR_LINES = 60_000;
const FLOOR_COLOUR: [number, number, number, number] = [160, 176, 190, 22];
const MAX_LANDMARKS = 40;
/** Kinds of places whose names are written wide, as on a plan; the rest are landmarks. */
const WIDE_PLACES = ['green', 'water', 'plaza', 'square', 'park'];
/** 3号楼 says nothing to somebody who looks at a whole street. */
const NUMBERED = /^[0-9A-Za-z一二三四五六七八九十]{1,4}\s*(号楼|栋|幢|座|单元)$/;
/** More places than this never fit beside each other. */
const MAX_PLACES = 28;

const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

export class WallMap {
  readonly map: MapLibreMap;
  readonly marks: Marks;
  private readonly scene: Scene;
  private readonly handlers: WallMapHandlers;
  private readonly board: LiveBoard;
  private live: MapLibreOverlay | null = null;
  private ground: MapLibreOverlay | null = null;
  private readonly sources: Record<'devices' | 'workers', LiveSource>;
  private specs: Props[] = [];
  private convert: ReturnType<typeof makeConverter>;
  private readonly data = new Map<string, unknown>();
  private readonly timers = new Map<string, ReturnType<typeof setInterval>>();
  private toggles: Record<string, boolean> = {};
  private dead: Record<'devices' | 'workers', boolean> = { devices: false, workers: false };
  private liveLayers: Layer[] = [];
  private viewportTimer: ReturnType<typeof setTimeout> | undefined;
  private arrangeTimer: ReturnType<typeof setTimeout> | undefined;
  private hoverAt = 0;
  private selectedBuilding: number | null = null;
  private readonly abort = new AbortController();
  private cells: unknown[] = [];
  private roofs: RoofEdgeLayer[] = [];
  private roofView = '';
  private readonly tileVersions = new Map<string, number>();
  private removed = false;
  private contextLost = false;

  constructor(container: HTMLElement, marksContainer: HTMLElement, scene: Scene, board: LiveBoard, handlers: WallMapHandlers, padding: PaddingOptions, view?: CameraView) {
    this.scene = scene;
    this.board = board;
    this.handlers = handlers;
    this.sources = { devices: new LiveSource(board.devices), workers: new LiveSource(board.workers) };
    this.map = new MapLibreMap({
      container,
      style: baseStyle(scene),
      center: view?.center ?? scene.center,
      zoom: view?.zoom ?? this.startZoom(container, padding),
      pitch: view?.pitch ?? scene.pitch,
      bearing: view?.bearing ?? scene.bearing,
      maxPitch: 70,
      attributionControl: false,
      fadeDuration: 0,
      keyboard: false,
      refreshExpiredTiles: false,
      canvasContextAttributes: { antialias: true, preserveDrawingBuffer: false },
    });
    this.map.setPadding(padding);
    this.map.touchZoomRotate.enable();
    this.convert = makeConverter({
      resolve: (data) => this.resolve(data),
      overlay: (x) => this.overlay(x),
      select: () => undefined, // clicks are answered by one handler for all layers
    });
    this.marks = new Marks(marksContainer, this.projector(), (key) => handlers.picked({ type: 'mark', id: key }));
    this.listen();
    this.addLiveOverlay();
  }

  private projector() {
    const { map } = this;
    return {
      project: (lonLat: [number, number]) => map.project(lonLat),
      pxPerM: () => (512 * 2 ** map.getZoom()) / (EARTH_CIRCUMFERENCE_M * Math.cos((map.getCenter().lat * Math.PI) / 180)),
      pitchRad: () => (map.getPitch() * Math.PI) / 180,
      size: () => ({ width: map.getContainer().clientWidth, height: map.getContainer().clientHeight }),
      ground: (): [number, number, number, number] => {
        const b = map.getBounds();
        const dx = (b.getEast() - b.getWest()) * 0.05;
        const dy = (b.getNorth() - b.getSouth()) * 0.05;
        return [b.getWest() - dx, b.getSouth() - dy, b.getEast() + dx, b.getNorth() + dy];
      },
    };
  }

  private listen(): void {
    const { map, handlers } = this;
    map.on('load', () => this.addGroundOverlay());
    map.on('render', () => this.marks.move());
    map.on('moveend', () => {
      this.marks.arrange();
      clearTimeout(this.viewportTimer);
      this.viewportTimer = setTimeout(() => handlers.viewport(this.viewport()), VIEWPORT_DEBOUNCE_MS);
    });
    map.on('move', () => {
      this.arrangeTimer ??= setTimeout(() => {
        this.arrangeTimer = undefined;
        this.marks.arrange();
      }, 160);
    });
    map.on('idle', () => {
      handlers.places(this.places());
      this.readRoofs();
    });
    map.on('click', (event) => handlers.picked(this.pick(event.point.x, event.point.y)));
    map.on('mousemove', (event) => {
      const now = performance.now();
      if (now - this.hoverAt < HOVER_EVERY_MS || event.originalEvent.buttons) return;
      this.hoverAt = now;
      this.hover(event.point.x, event.point.y);
    });
    map.on('mouseout', () => handlers.hovered(null));
    map.on('error', (event) => {
      // a tile that failed is asked for again when it is next in view; nothing else is fatal
      const status = (event.error as { status?: number } | undefined)?.status;
      if (status === undefined || status >= 500) handlers.problem(String(event.error?.message ?? event.error));
    });
    map.on('webglcontextlost', this.lost);
  }

  /**
   * A lost context takes every buffer and program of its canvas with it, and deck.gl keeps the dead ones. The
   * page answers by making a new map in the same place: all state lives outside, so that nothing is lost.
   */
  private readonly lost = (): void => {
    if (this.removed || this.contextLost) return;
    this.contextLost = true;
    for (const source of Object.values(this.sources)) source.detach();
    this.handlers.contextLost();
  };

  // ---- overlays -------------------------------------------------------------------------------

  private addLiveOverlay(): void {
    const overlay = new MapLibreOverlay({
      layers: [],
      useDevicePixels: true,
      onDeviceInitialized: (device: Device) => {
        if (this.live !== overlay || this.removed) return;
        for (const source of Object.values(this.sources)) source.attach(device);
        overlay.getCanvas()?.addEventListener('webglcontextlost', this.lost, { once: true });
        this.renderLive();
      },
      onError: (error: Error) => this.handlers.problem(error.message),
    });
    this.live = overlay;
    this.map.addControl(overlay as never);
  }

  private addGroundOverlay(): void {
    if (this.ground || this.removed) return;
    this.ground = new MapLibreOverlay({ interleaved: true, layers: [], onError: (error: Error) => this.handlers.problem(error.message) });
    this.map.addControl(this.ground as never);
    this.renderGround();
  }

  /** Layers as the server declares them. */
  setLayers(spec: LayerSpec): void {
    for (const timer of this.timers.values()) clearInterval(timer);
    this.timers.clear();
    this.specs = spec.layers;
    for (const layer of this.specs) {
      const why = problem(layer);
      if (why) this.handlers.problem(`layer ${why}`);
      const x = extras(layer);
      if (why || x.data === null || x.data.startsWith('live:')) continue;
      const path = x.data;
      void this.load(path);
      if (x.refreshS > 0 && !this.timers.has(path)) this.timers.set(path, setInterval(() => document.hidden || void this.load(path), x.refreshS * 1000));
    }
    this.renderLive();
    this.renderGround();
  }

  private async load(path: string): Promise<void> {
    try {
      this.data.set(path, await get(path, this.abort.signal));
      if (this.removed) return;
      if (this.specs.some((s) => s.data === path && s.beforeId)) this.renderGround();
      if (this.specs.some((s) => s.data === path && !s.beforeId)) this.renderLive();
    } catch {
      // the old content stays; its age is shown by the panels
    }
  }

  private resolve(data: string): unknown {
    if (data === 'live:devices') return this.sources.devices.layerData();
    if (data === 'live:workers') return this.sources.workers.layerData();
    if (data === 'live:cells') return this.cells;
    return this.data.get(data) ?? null;
  }

  private overlay(x: LayerExtras): Props {
    const visible = x.toggle === null ? undefined : this.toggles[x.toggle] !== false;
    const props: Props = visible === undefined ? {} : { visible };
    if (x.type === 'DevicePointLayer') {
      props.sizeScale = (parseFloat(getComputedStyle(document.documentElement).fontSize) || 16) / 20;
      props.dead = this.dead[x.data === 'live:workers' ? 'workers' : 'devices'];
      props.parameters = { depthCompare: 'less-equal', depthWriteEnabled: true };
    } else if (x.beforeId) props.parameters = { depthCompare: 'always', depthWriteEnabled: false };
    return props;
  }

  private make(below: boolean): Layer[] {
    const layers: Layer[] = [];
    for (const spec of this.specs) {
      if (!!spec.beforeId !== below) continue;
      if (below && !this.map.getLayer(String(spec.beforeId))) continue;
      const layer = this.convert(spec);
      if (layer) layers.push(layer);
    }
    return layers;
  }

  private renderLive(): void {
    if (!this.live) return;
    this.liveLayers = this.make(false);
    this.live.setProps({ layers: this.liveLayers });
  }

  private renderGround(): void {
    if (!this.ground) return;
    this.ground.setProps({ layers: [...this.make(true), ...this.roofs] });
  }

  /** Edges of the roofs in view, read from the tiles when the view has come to rest. */
  private readRoofs(): void {
    const { map } = this;
    const offered = this.scene.tile_layers.building;
    if (!offered || !map.getSource('building')) return;
    const c = map.getCenter();
    const view = map.getZoom() < ROOFS_FROM_ZOOM ? '' : `${c.lng.toFixed(4)},${c.lat.toFixed(4)},${map.getZoom().toFixed(1)},${map.getBearing().toFixed(0)},${this.tileVersions.get('building') ?? 0}`;
    if (view === this.roofView) return;
    this.roofView = view;
    this.roofs = [];
    if (view) {
      const footprints = map.querySourceFeatures('building', { sourceLayer: 'building' }).map((f) => ({
        rings: f.geometry.type === 'Polygon' ? f.geometry.coordinates : f.geometry.type === 'MultiPolygon' ? f.geometry.coordinates.flat() : [],
        heightM: Number(f.properties.height ?? 6),
      }));
      const onSeam = seamTest(Math.min(offered.maxzoom, Math.floor(map.getZoom())));
      const lines = (id: string, value: Float64Array, colour?: [number, number, number, number]) =>
        new RoofEdgeLayer({
          id,
          data: { length: value.length / 3, attributes: { getPosition: { value, size: 3 } } },
          parameters: { depthCompare: 'less-equal', depthWriteEnabled: false },
          ...(colour ? { colour } : {}),
        });
      this.roofs.push(lines('roof-edges', roofEdges(footprints, onSeam, MAX_ROOF_EDGES)));
      if (map.getZoom() >= FLOORS_FROM_ZOOM) this.roofs.push(lines('floor-lines', floorLines(footprints, onSeam, MAX_FLOOR_LINES), FLOOR_COLOUR));
    }
    this.renderGround();
  }

  /** Show what the stores hold now; called at most once per animation frame. */
  commit(change: Commit): void {
    if (change.cells) {
      this.cells = this.board.cells.values();
      if (this.specs.some((s) => s.data === 'live:cells')) {
        this.renderGround();
        if (!change.structure) this.renderLive();
      }
    }
    if (change.structure) this.renderLive();
    else {
      const layer = (data: string) => this.liveLayers.find((l) => this.specs.find((s) => s.id === l.id)?.data === data);
      this.sources.devices.commit(layer('live:devices'));
      this.sources.workers.commit(layer('live:workers'));
    }
  }

  setDead(layer: 'devices' | 'workers', dead: boolean): void {
    if (this.dead[layer] === dead) return;
    this.dead[layer] = dead;
    this.renderLive();
  }

  setToggle(name: string, on: boolean): void {
    if (this.toggles[name] === on) return;
    this.toggles[name] = on;
    this.refreshToggles();
    this.renderGround();
    this.renderLive();
  }

  private refreshToggles(): void {
    for (const [name, on] of Object.entries(this.toggles))
      for (const id of [name, `${name}-edge`]) if (this.map.getLayer(id)) this.map.setLayoutProperty(id, 'visibility', on ? 'visible' : 'none');
  }

  // ---- camera ---------------------------------------------------------------------------------

  viewport(): Viewport {
    const b = this.map.getBounds();
    const round = (v: number) => Math.round(v * 1e6) / 1e6;
    return { bbox: [round(b.getWest()), round(b.getSouth()), round(b.getEast()), round(b.getNorth())], zoom: Math.round(this.map.getZoom() * 100) / 100 };
  }

  view(): CameraView {
    const { lng, lat } = this.map.getCenter();
    return { center: [lng, lat], zoom: this.map.getZoom(), pitch: this.map.getPitch(), bearing: this.map.getBearing() };
  }

  setPadding(padding: PaddingOptions): void {
    this.map.easeTo({ padding, duration: 0 });
  }

  flyTo(lon: number, lat: number, zoom = 17): void {
    this.map.easeTo({ center: [lon, lat], zoom: Math.max(this.map.getZoom(), zoom), duration: reducedMotion() ? 0 : FLIGHT_MS });
  }

  /** Zoom at which the scene fills the part of the map that no panel covers, seen at an angle. */
  private startZoom(container: HTMLElement, padding: PaddingOptions): number {
    const [w, , e] = this.scene.bounds;
    const free = container.clientWidth - (padding.left ?? 0) - (padding.right ?? 0);
    const fits = Math.log2((Math.max(320, free) * FILL * 360) / (512 * Math.max(1e-4, e - w)));
    // a large city opens where the server says, a small one fills the screen
    return fits < POINTS_FROM_ZOOM ? this.scene.zoom : Math.min(17, fits);
  }

  reset(): void {
    const { center, pitch, bearing } = this.scene;
    const zoom = this.startZoom(this.map.getContainer(), this.map.getPadding());
    this.map.easeTo({ center, zoom, pitch, bearing, duration: reducedMotion() ? 0 : FLIGHT_MS });
  }

  // ---- what is where --------------------------------------------------------------------------

  private pick(x: number, y: number): Picked | null {
    const ids = this.liveLayers.filter((l) => l.props.pickable).map((l) => l.id);
    if (this.live && ids.length) {
      try {
        const info = this.live.pickObject({ x, y, radius: 6, layerIds: ids });
        if (info?.layer && info.index >= 0) {
          const workers = this.specs.find((s) => s.id === info.layer!.id)?.data === 'live:workers';
          const rows = workers ? this.board.workers : this.board.devices;
          if (info.index < rows.length) return { type: workers ? 'worker' : 'device', id: rows.id[info.index] };
        }
      } catch {
        // picking needs a GPU context; while it is lost nothing can be picked
      }
    }
    if (this.map.getLayer('building')) {
      const [building] = this.map.queryRenderedFeatures([x, y], { layers: ['building'] });
      const id = building && featureId(building);
      if (id) return { type: 'building', id };
    }
    return null;
  }

  /** Nearest point to the cursor on the CPU: picking by GPU would stall each mouse move. */
  private hover(x: number, y: number): void {
    const at = this.map.unproject([x, y]);
    const side = this.map.unproject([x + HOVER_RADIUS_PX, y]);
    const below = this.map.unproject([x, y + HOVER_RADIUS_PX]);
    const k = Math.cos((at.lat * Math.PI) / 180);
    const reach = Math.max(((side.lng - at.lng) * k) ** 2 + (side.lat - at.lat) ** 2, ((below.lng - at.lng) * k) ** 2 + (below.lat - at.lat) ** 2);
    let best: { type: 'device' | 'worker'; row: number } | null = null;
    let bestDistance = reach;
    for (const type of ['device', 'worker'] as const) {
      const rows = type === 'device' ? this.board.devices : this.board.workers;
      const { position, length } = rows;
      for (let row = 0; row < length; row++) {
        const dx = (position[3 * row] - at.lng) * k;
        const dy = position[3 * row + 1] - at.lat;
        const d = dx * dx + dy * dy;
        if (d < bestDistance) {
          bestDistance = d;
          best = { type, row };
        }
      }
    }
    this.map.getCanvas().style.cursor = best ? 'pointer' : '';
    this.handlers.hovered(best ? { ...best, x, y } : null);
  }

  selectBuilding(id: number | null): void {
    const target = (id: number) => ({ source: 'building', sourceLayer: 'building', id });
    if (!this.map.getSource('building')) return;
    if (this.selectedBuilding !== null) this.map.removeFeatureState(target(this.selectedBuilding));
    this.selectedBuilding = id;
    if (id !== null) this.map.setFeatureState(target(id), { selected: true });
  }

  /** Show the field of one camera in the colour of what is chosen. */
  selectCamera(deviceId: number | null): void {
    if (this.map.getLayer('camera_field-selected')) this.map.setFilter('camera_field-selected', ['==', ['id'], deviceId ?? -1]);
  }

  private places(): PlaceName[] {
    const { map } = this;
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
    if (map.getZoom() >= 15 && !this.scene.tile_layers.place_label) {
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

  setMarks(marks: Mark[]): void {
    this.marks.set(marks);
  }

  avoid(boxes: Box[]): void {
    this.marks.avoid(boxes);
  }

  /** The server's tiles of a layer changed: read them again, under a new address so that no cache answers. */
  tilesChanged(change: TilesChanged): void {
    const source = this.map.getSource(change.layer) as { setTiles?(tiles: string[]): void } | undefined;
    this.tileVersions.set(change.layer, change.version);
    const offered = this.scene.tile_layers[change.layer];
    if (offered) offered.version = change.version;
    source?.setTiles?.([tileUrl(change.layer, change.version)]);
  }

  resize(): void {
    this.map.resize();
    this.renderLive();
  }

  /** For tests: lose and restore the context of the live canvas. */
  liveCanvas(): HTMLCanvasElement | null {
    return this.live?.getCanvas() ?? null;
  }

  destroy(): void {
    this.removed = true;
    this.abort.abort();
    for (const timer of this.timers.values()) clearInterval(timer);
    clearTimeout(this.viewportTimer);
    clearTimeout(this.arrangeTimer);
    this.marks.destroy();
    try {
      this.map.remove();
    } catch {
      // without a context not everything can be freed by hand; the canvas goes and takes it along
    }
    this.map.getContainer().replaceChildren();
  }
}

function featureId(f: GeoJSONFeature): number | null {
  const id = Number(f.id ?? f.properties.id);
  return Number.isFinite(id) && id > 0 ? id : null;
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
