/** Draw what the server declares over and under the base map: live rows, answers of the API, roofs. */
import { MapLibreOverlay } from '@deck.gl/maplibre';
import type { Layer } from '@deck.gl/core';
import type { Device } from '@luma.gl/core';
import type { Map as MapLibreMap } from 'maplibre-gl';
import { get } from '../api/client.ts';
import type { LayerSpec, Scene } from '../api/schema.ts';
import { makeConverter } from '../layers/convert.ts';
import { Glide, STEP_MS } from '../layers/glide.ts';
import { LiveSource } from '../layers/live_source.ts';
import type { RoofEdgeLayer } from '../layers/roof_edge_layer.ts';
import { extras, problem, type LayerExtras } from '../layers/spec.ts';
import { Vehicles } from '../layers/vehicles.ts';
import '../layers/vertex_arrays.ts';
import { hex, PALETTES, type Tokens } from '../look/palette.ts';
import type { Theme } from '../look/theme.ts';
import type { Commit, LiveBoard } from '../state/live.ts';
import { roofLayers } from './roofs.ts';

type Props = Record<string, unknown>;
export type LiveName = 'devices' | 'workers';

const ROOFS_FROM_ZOOM = 15.2;

export const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

export interface DeckHandlers {
  problem(detail: string): void;
  /** The graphics context of the overlay is gone. */
  lost(): void;
  /** Workers are shown somewhere else than before. */
  glided(): void;
}

export class DeckLayers {
  private readonly map: MapLibreMap;
  private readonly scene: Scene;
  private readonly board: LiveBoard;
  private readonly theme: Theme;
  private readonly tokens: Tokens;
  private readonly handlers: DeckHandlers;
  private live: MapLibreOverlay | null = null;
  private ground: MapLibreOverlay | null = null;
  private readonly sources: Record<LiveName, LiveSource>;
  private specs: Props[] = [];
  private readonly convert: ReturnType<typeof makeConverter>;
  private readonly data = new Map<string, unknown>();
  private readonly timers = new Map<string, ReturnType<typeof setInterval>>();
  private toggles: Record<string, boolean> = {};
  private dead: Record<LiveName, boolean> = { devices: false, workers: false };
  private liveLayers: Layer[] = [];
  private cells: unknown[] = [];
  private way: { path: [number, number][] }[] = [];
  private roofs: RoofEdgeLayer[] = [];
  private roofView = '';
  private readonly glide = new Glide();
  private glideTimer: ReturnType<typeof setTimeout> | undefined;
  private workersSeen = -1;
  private readonly vehicles = new Vehicles();
  private readonly drive = new Glide();
  private vehiclesSeen = -1;
  private dots: unknown = null;
  private readonly abort = new AbortController();
  private stopped = false;
  /** What gliding has cost: steps taken, steps drawn, main-thread time, ms. */
  readonly glideCost = { steps: 0, drawn: 0, ms: 0 };

  constructor(map: MapLibreMap, scene: Scene, board: LiveBoard, theme: Theme, handlers: DeckHandlers) {
    this.map = map;
    this.scene = scene;
    this.board = board;
    this.theme = theme;
    this.tokens = PALETTES[theme];
    this.handlers = handlers;
    this.sources = { devices: new LiveSource(board.devices), workers: new LiveSource(board.workers) };
    this.convert = makeConverter(
      {
        resolve: (data) => this.resolve(data),
        overlay: (x) => this.overlay(x),
        select: () => undefined, // clicks are answered by one handler for all layers
      },
      this.tokens,
    );
    this.addLive();
  }

  private addLive(): void {
    const overlay = new MapLibreOverlay({
      layers: [],
      useDevicePixels: true,
      onDeviceInitialized: (device: Device) => {
        if (this.live !== overlay || this.stopped) return;
        for (const source of Object.values(this.sources)) source.attach(device);
        overlay.getCanvas()?.addEventListener('webglcontextlost', this.handlers.lost, { once: true });
        this.renderLive();
      },
      onError: (error: Error) => this.handlers.problem(error.message),
    });
    this.live = overlay;
    this.map.addControl(overlay as never);
  }

  /** Draw what lies under the buildings: the base map is there. */
  addGround(): void {
    if (this.ground || this.stopped) return;
    this.ground = new MapLibreOverlay({ interleaved: true, layers: [], onError: (error: Error) => this.handlers.problem(error.message) });
    this.map.addControl(this.ground as never);
    this.renderGround();
  }

  /** Layers as the server declares them. */
  declare(spec: LayerSpec): void {
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
    this.render();
  }

  private async load(path: string): Promise<void> {
    try {
      this.data.set(path, await get(path, this.abort.signal));
      if (this.stopped) return;
      if (this.specs.some((s) => s.data === path && s.beforeId)) this.renderGround();
      if (this.specs.some((s) => s.data === path && !s.beforeId)) this.renderLive();
    } catch {
      // the old content stays; its age is shown by the panels
    }
  }

  private resolve(data: string): unknown {
    if (data === 'live:devices') return this.deviceData();
    if (data === 'live:vehicles') return this.vehicleData();
    if (data === 'live:workers') return this.workerData();
    if (data === 'live:cells') return this.cells;
    if (data === 'live:way') return this.way;
    return this.data.get(data) ?? null;
  }

  private overlay(x: LayerExtras): Props {
    const visible = x.toggle === null ? undefined : this.toggles[x.toggle] !== false;
    const props: Props = visible === undefined ? {} : { visible };
    if (x.type === 'DevicePointLayer') {
      props.sizeScale = (parseFloat(getComputedStyle(document.documentElement).fontSize) || 16) / 20;
      props.dead = this.dead[x.data === 'live:workers' ? 'workers' : 'devices'];
      props.halo = hex(this.tokens.halo);
      props.person = hex(this.tokens.person);
      props.vehicle = hex(this.tokens.text2);
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

  render(): void {
    this.renderGround();
    this.renderLive();
  }

  renderLive(): void {
    if (!this.live) return;
    this.liveLayers = this.make(false);
    this.live.setProps({ layers: this.liveLayers });
  }

  private renderGround(): void {
    if (!this.ground) return;
    this.ground.setProps({ layers: [...this.make(true), ...this.roofs] });
  }

  /** Edges of the roofs in view, read from the tiles when the view has come to rest. */
  readRoofs(version: number): void {
    const { map } = this;
    const offered = this.scene.tile_layers.building;
    if (!offered || !map.getSource('building')) return;
    const c = map.getCenter();
    const view = map.getZoom() < ROOFS_FROM_ZOOM ? '' : `${c.lng.toFixed(4)},${c.lat.toFixed(4)},${map.getZoom().toFixed(1)},${map.getBearing().toFixed(0)},${version}`;
    if (view === this.roofView) return;
    this.roofView = view;
    this.roofs = view ? roofLayers(map, Math.min(offered.maxzoom, Math.floor(map.getZoom())), this.theme) : [];
    this.renderGround();
  }

  // ---- live -----------------------------------------------------------------------------------

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

  /** Draw the way of somebody who could go; none where it is empty. */
  setWay(path: [number, number][]): void {
    this.way = path.length ? [{ path }] : [];
    this.renderLive();
  }

  setDead(layer: LiveName, dead: boolean): void {
    if (this.dead[layer] === dead) return;
    this.dead[layer] = dead;
    this.renderLive();
  }

  setToggle(name: string, on: boolean): void {
    this.toggles[name] = on;
    this.render();
  }

  private readVehicles(): void {
    const { devices, moving } = this.board;
    if (this.vehiclesSeen === devices.structureVersion) return;
    this.vehiclesSeen = devices.structureVersion;
    this.vehicles.read(devices, moving);
    const now = performance.now();
    this.drive.read(this.vehicles, now, reducedMotion() || document.hidden);
    this.drive.step(this.vehicles, now, this.bounds());
    if (this.drive.moving) this.glideTimer ??= setTimeout(this.glideOn, STEP_MS);
  }

  /** Devices as points, but for vehicles. */
  private deviceData(): unknown {
    this.readVehicles();
    const data = this.sources.devices.layerData();
    if (!this.vehicles.length || data === this.dots) return data;
    return (this.dots = this.sources.devices.layerDataAt(this.vehicles.others(this.board.devices)));
  }

  /** Vehicles where they are shown now. */
  private vehicleData(): unknown {
    this.readVehicles();
    const { length, state, heading } = this.vehicles;
    const attributes = {
      getPosition: { value: this.drive.shown, size: 3 },
      getDevState: { value: state, size: 1, type: 'unorm8', normalized: true },
      getHeading: { value: heading, size: 1 },
    };
    return length ? { length, attributes } : null;
  }

  /** Workers where they are shown now: on their way to their newest fixes. */
  private workerData(): unknown {
    const { workers } = this.board;
    if (this.workersSeen !== workers.structureVersion) {
      this.workersSeen = workers.structureVersion;
      const now = performance.now();
      this.glide.read(workers, now, reducedMotion() || document.hidden);
      this.glide.step(workers, now, this.bounds());
      this.handlers.glided();
      if (this.glide.moving) this.glideTimer ??= setTimeout(this.glideOn, STEP_MS);
    }
    return this.sources.workers.layerDataAt(this.glide.shown);
  }

  private bounds(): [number, number, number, number] {
    const b = this.map.getBounds();
    return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
  }

  /** One step of the gliding: only the layers of what glides are given new data, and only when one in view moved. */
  private readonly glideOn = (): void => {
    this.glideTimer = undefined;
    if (this.stopped || !this.live) return;
    const begun = performance.now();
    const { workers } = this.board;
    const view = this.bounds();
    // of workers who came or went meanwhile the commit that is due draws, and goes on
    const known = this.workersSeen === workers.structureVersion;
    const walk = known ? this.glide.step(workers, begun, view) : { moving: false, visible: false };
    const drive = this.drive.step(this.vehicles, begun, view);
    if (!document.hidden) {
      const walked = walk.visible && this.redraw('live:workers', () => this.sources.workers.layerDataAt(this.glide.shown));
      const driven = drive.visible && this.redraw('live:vehicles', () => this.vehicleData());
      if (walked || driven) {
        this.live.setProps({ layers: this.liveLayers });
        this.glideCost.drawn += 1;
      }
      if (walked) this.handlers.glided();
    }
    if (walk.moving || drive.moving) this.glideTimer = setTimeout(this.glideOn, STEP_MS);
    this.glideCost.steps += 1;
    this.glideCost.ms += performance.now() - begun;
  };

  /** Give a live layer other data; false where it is not drawn. */
  private redraw(name: string, make: () => unknown): boolean {
    const at = this.liveLayers.findIndex((l) => this.specs.find((s) => s.id === l.id)?.data === name);
    const data = at >= 0 ? make() : null;
    if (data === null) return false;
    this.liveLayers = this.liveLayers.with(at, this.liveLayers[at].clone({ data } as never));
    return true;
  }

  /** The way as the layer that draws it has it. */
  shownWay(): [number, number][] {
    const drawn = this.liveLayers.find((l) => l.id === 'way')?.props.data as { path: [number, number][] }[] | undefined;
    return drawn?.[0]?.path ?? [];
  }

  /** Where a worker is shown now; null where it is not. */
  workerAt(id: number): [number, number] | null {
    const row = this.board.workers.rowOf(id);
    const { shown } = this.glide;
    return row === undefined || 3 * row + 1 >= shown.length ? null : [shown[3 * row], shown[3 * row + 1]];
  }

  /** Places of all workers as they are shown. */
  workerPlaces(): { position: Float64Array; length: number } {
    const { workers } = this.board;
    return { position: this.glide.shown.length === 3 * workers.length ? this.glide.shown : workers.position, length: workers.length };
  }

  /** The device or worker drawn at a place of the screen. */
  pick(x: number, y: number): { type: 'device' | 'worker'; id: number } | null {
    const ids = this.liveLayers.filter((l) => l.props.pickable).map((l) => l.id);
    if (!this.live || !ids.length) return null;
    try {
      const info = this.live.pickObject({ x, y, radius: 6, layerIds: ids });
      if (info?.layer && info.index >= 0) {
        const data = this.specs.find((s) => s.id === info.layer!.id)?.data;
        const workers = data === 'live:workers';
        const rows = workers ? this.board.workers : data === 'live:vehicles' ? this.vehicles : this.board.devices;
        if (info.index < rows.length) return { type: workers ? 'worker' : 'device', id: rows.id[info.index] };
      }
    } catch {
      // picking needs a GPU context; while it is lost nothing can be picked
    }
    return null;
  }

  canvas(): HTMLCanvasElement | null {
    return this.live?.getCanvas() ?? null;
  }

  /** The context is gone: nothing more goes to the GPU. */
  detach(): void {
    this.stopped = true;
    for (const source of Object.values(this.sources)) source.detach();
  }

  destroy(): void {
    this.stopped = true;
    this.abort.abort();
    for (const timer of this.timers.values()) clearInterval(timer);
    clearTimeout(this.glideTimer);
  }
}
