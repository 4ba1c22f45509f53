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
import type { RoofEdgeLayer } from '../layers/roof_edge_layer.ts';
import '../layers/vertex_arrays.ts';
import { Glide, STEP_MS } from '../layers/glide.ts';
import { LiveSource } from '../layers/live_source.ts';
import type { Commit, LiveBoard } from '../state/live.ts';
import type { Box } from './labels.ts';
import { Marks, type Mark } from './marks.ts';
import { nearest } from './nearest.ts';
import { placesInView, type PlaceName } from './places.ts';
import { roofLayers } from './roofs.ts';
import { isThing, type ThingType } from '../state/things.ts';
import type { Trace } from '../api/schema.ts';
import { baseStyle, TOGGLED, tileUrl, traceData } from './style.ts';

setWorkerUrl(workerUrl);

export interface Picked {
  type: 'device' | 'worker' | 'building' | 'mark' | ThingType;
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
  /** All that is in view has been drawn for the first time. */
  drawn(): void;
  /** A WebGL context is gone: make a new map where this one stands. */
  contextLost(): void;
}

export interface CameraView {
  center: [number, number];
  zoom: number;
  pitch: number;
  bearing: number;
}

type Props = Record<string, unknown>;

const VIEWPORT_DEBOUNCE_MS = 250;
const HOVER_EVERY_MS = 60;
/** So near to a thin line or a small mark counts as on it, px. */
const PICK_PX = 5;
const FLIGHT_MS = 700;
const EARTH_CIRCUMFERENCE_M = 40_075_016.686;
/** How far the scene may reach under the panels: its corners are of no interest. */
const FILL = 1.3;
const POINTS_FROM_ZOOM = 14.2;
const ROOFS_FROM_ZOOM = 15.2;

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
  private trace: Trace | null = null;
  private affected: number[] = [];
  private readonly abort = new AbortController();
  private cells: unknown[] = [];
  private roofs: RoofEdgeLayer[] = [];
  private roofView = '';
  private readonly tileVersions = new Map<string, number>();
  private readonly glide = new Glide();
  private glideTimer: ReturnType<typeof setTimeout> | undefined;
  private workersSeen = -1;
  private followed: number | null = null;
  /** What gliding has cost: steps taken, steps drawn, main-thread time, ms. */
  readonly glideCost = { steps: 0, drawn: 0, ms: 0 };
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
      trackResize: false, // the page says when
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
      directionRad: ([lon, lat]: [number, number]) => {
        const c = map.getCenter();
        const east = (lon - c.lng) * Math.cos((c.lat * Math.PI) / 180);
        return Math.atan2(c.lat - lat, east) - (map.getBearing() * Math.PI) / 180;
      },
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
    map.on('load', () => {
      this.refreshToggles();
      this.drawTrace();
      this.addGroundOverlay();
    });
    void map.once('idle').then(() => this.removed || handlers.drawn());
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
      handlers.places(placesInView(map, this.scene));
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
    if (data === 'live:workers') return this.workerData();
    if (data === 'live:cells') return this.cells;
    return this.data.get(data) ?? null;
  }

  /** Workers where they are shown now: on their way to their newest fixes. */
  private workerData(): unknown {
    const { workers } = this.board;
    if (this.workersSeen !== workers.structureVersion) {
      this.workersSeen = workers.structureVersion;
      const now = performance.now();
      this.glide.read(workers, now, reducedMotion() || document.hidden);
      this.glide.step(workers, now, this.bounds());
      this.followSelected();
      if (this.glide.moving) this.glideTimer ??= setTimeout(this.glideOn, STEP_MS);
    }
    return this.sources.workers.layerDataAt(this.glide.shown);
  }

  private bounds(): [number, number, number, number] {
    const b = this.map.getBounds();
    return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
  }

  /** One step of the gliding: only the workers' layer is given new data, and only when one in view moved. */
  private readonly glideOn = (): void => {
    this.glideTimer = undefined;
    if (this.removed || this.contextLost || !this.live) return;
    const begun = performance.now();
    const { workers } = this.board;
    if (this.workersSeen !== workers.structureVersion) return; // the commit that is due draws and goes on
    const { moving, visible } = this.glide.step(workers, begun, this.bounds());
    const at = this.liveLayers.findIndex((l) => this.specs.find((s) => s.id === l.id)?.data === 'live:workers');
    if (visible && at >= 0 && !document.hidden) {
      const data = this.sources.workers.layerDataAt(this.glide.shown);
      if (data) {
        this.liveLayers = this.liveLayers.with(at, this.liveLayers[at].clone({ data } as never));
        this.live.setProps({ layers: this.liveLayers });
        this.followSelected();
        this.glideCost.drawn += 1;
      }
    }
    if (moving) this.glideTimer = setTimeout(this.glideOn, STEP_MS);
    this.glideCost.steps += 1;
    this.glideCost.ms += performance.now() - begun;
  };

  /** The ring round a chosen worker goes with it. */
  private followSelected(): void {
    const row = this.followed === null ? undefined : this.board.workers.rowOf(this.followed);
    if (row !== undefined && 3 * row + 1 < this.glide.shown.length) this.marks.relocate('selected', this.glide.shown[3 * row], this.glide.shown[3 * row + 1]);
  }

  follow(workerId: number | null): void {
    this.followed = workerId;
    this.followSelected();
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
    this.roofs = view ? roofLayers(map, Math.min(offered.maxzoom, Math.floor(map.getZoom()))) : [];
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
    // Also then: people who walk change the rows of workers several times a second, and what devices say
    // must not wait for a moment without steps.
    const layer = (data: string) => this.liveLayers.find((l) => this.specs.find((s) => s.id === l.id)?.data === data);
    this.sources.devices.commit(layer('live:devices'));
    this.sources.workers.commit(layer('live:workers'));
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
      for (const id of TOGGLED[name] ?? []) if (this.map.getLayer(id)) this.map.setLayoutProperty(id, 'visibility', on ? 'visible' : 'none');
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
    const near = [[x - PICK_PX, y - PICK_PX], [x + PICK_PX, y + PICK_PX]] as [[number, number], [number, number]];
    const thin = ['network_node', 'component', 'network_line'].filter((id) => this.map.getLayer(id));
    for (const hit of thin.length ? this.map.queryRenderedFeatures(near, { layers: thin }) : []) {
      const id = featureId(hit);
      if (id && isThing(hit.source)) return { type: hit.source, id };
    }
    if (this.map.getLayer('building')) {
      const [building] = this.map.queryRenderedFeatures([x, y], { layers: ['building'] });
      const id = building && featureId(building);
      if (id) return { type: 'building', id };
    }
    if (this.map.getLayer('compound')) {
      const [compound] = this.map.queryRenderedFeatures([x, y], { layers: ['compound'] });
      const id = compound && featureId(compound);
      if (id) return { type: 'compound', id };
    }
    return null;
  }

  private hover(x: number, y: number): void {
    const { devices, workers } = this.board;
    const best = nearest(this.map, { devices, workers: { position: this.glide.shown.length === 3 * workers.length ? this.glide.shown : workers.position, length: workers.length } }, x, y);
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

  /** Show what a break cuts off and who is without supply then: lines, what must be closed, buildings. */
  showTrace(trace: Trace | null): void {
    if (this.map.getSource('building'))
      for (const id of this.affected) this.map.removeFeatureState({ source: 'building', sourceLayer: 'building', id }, 'affected');
    this.trace = trace;
    this.affected = trace?.listed.map((building) => building.id) ?? [];
    this.drawTrace();
  }

  private drawTrace(): void {
    const source = this.map.getSource('trace') as { setData?(data: object): void } | undefined;
    source?.setData?.(traceData(this.trace));
    if (this.map.getSource('building'))
      for (const id of this.affected) this.map.setFeatureState({ source: 'building', sourceLayer: 'building', id }, { affected: true });
  }

  /** Show the field of one camera in the colour of what is chosen. */
  selectCamera(deviceId: number | null): void {
    if (this.map.getLayer('camera_field-selected')) this.map.setFilter('camera_field-selected', ['==', ['id'], deviceId ?? -1]);
  }

  setMarks(marks: Mark[]): void {
    this.marks.set(marks);
    this.followSelected();
  }

  avoid(boxes: Box[], free: Box): void {
    this.marks.avoid(boxes, free);
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
    clearTimeout(this.glideTimer);
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
