/** Own the one map of the page: base map, deck overlays, marks, camera and picking. */
import { Map as MapLibreMap, setWorkerUrl, type GeoJSONFeature, type GeoJSONSource, type PaddingOptions } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import type { LayerSpec, Scene } from '../api/schema.ts';
import type { Trace } from '../api/things_schema.ts';
import type { TilesChanged, Viewport } from '../api/socket.ts';
import { PALETTES } from '../look/palette.ts';
import type { Theme } from '../look/theme.ts';
import type { ShownFence } from '../state/group_fence.svelte.ts';
import type { Commit, LiveBoard } from '../state/live.ts';
import { isThing, type ThingType } from '../state/things.ts';
import { DeckLayers, reducedMotion, type LiveName } from './deck_layers.ts';
import type { Box } from './labels.ts';
import { Marks, type Mark } from './marks.ts';
import { nearest } from './nearest.ts';
import { placesInView, type PlaceName } from './places.ts';
import { baseStyle, fenceData, TOGGLED, tileUrl, traceData } from './style.ts';

setWorkerUrl(workerUrl);

export interface Picked {
  type: 'device' | 'worker' | 'building' | 'mark' | ThingType;
  id: number | string;
}

export interface CityMapHandlers {
  /** The view has come to rest somewhere else. */
  viewport(viewport: Viewport): void;
  /** What was clicked, and where on the ground. */
  picked(what: Picked | null, at: [number, number] | null): void;
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

/** What panels leave of the map, px of its container. */
export interface Room {
  /** What is looked at goes to the middle of what is left by these. */
  padding: { top: number; bottom: number; left: number; right: number };
  /** Where no mark may be drawn. */
  taken: Box[];
  free: Box;
}

const VIEWPORT_DEBOUNCE_MS = 250;
const HOVER_EVERY_MS = 60;
/** So near to a thin line or a small mark counts as on it, px. */
const PICK_PX = 5;
const FLIGHT_MS = 700;
const EARTH_CIRCUMFERENCE_M = 40_075_016.686;
/** How far the scene may reach under the panels: its corners are of no interest. */
const FILL = 1.3;
const POINTS_FROM_ZOOM = 14.2;

export class CityMap {
  readonly map: MapLibreMap;
  readonly marks: Marks;
  readonly deck: DeckLayers;
  private readonly scene: Scene;
  private readonly handlers: CityMapHandlers;
  private readonly board: LiveBoard;
  private toggles: Record<string, boolean> = {};
  private viewportTimer: ReturnType<typeof setTimeout> | undefined;
  private arrangeTimer: ReturnType<typeof setTimeout> | undefined;
  private hoverAt = 0;
  private selectedBuilding: number | null = null;
  private trace: Trace | null = null;
  private fence: ShownFence | null = null;
  private affected: number[] = [];
  private readonly tileVersions = new Map<string, number>();
  private followed: number | null = null;
  /** Where the camera is on its way to, until when by the clock of the page, ms. */
  private flight: { to: { center: [number, number]; zoom: number }; endsAt: number } | null = null;
  private removed = false;
  private contextLost = false;

  constructor(container: HTMLElement, marksContainer: HTMLElement, scene: Scene, board: LiveBoard, handlers: CityMapHandlers, room: Room, theme: Theme, view?: CameraView) {
    this.scene = scene;
    this.board = board;
    this.handlers = handlers;
    this.map = new MapLibreMap({
      container,
      style: baseStyle(scene, PALETTES[theme]),
      center: view?.center ?? scene.center,
      zoom: view?.zoom ?? this.startZoom(container, room.padding),
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
    this.map.setPadding(room.padding);
    this.map.touchZoomRotate.enable();
    this.marks = new Marks(marksContainer, this.projector(), (key) => handlers.picked({ type: 'mark', id: key }, null));
    this.deck = new DeckLayers(this.map, scene, board, theme, { problem: (detail) => handlers.problem(detail), lost: this.lost, glided: () => this.followChosen() });
    this.listen();
    this.marks.avoid(room.taken, room.free);
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
      this.showFence(this.fence);
      this.deck.addGround();
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
      this.deck.readRoofs(this.tileVersions.get('building') ?? 0);
    });
    map.on('click', (event) => handlers.picked(this.pick(event.point.x, event.point.y), [event.lngLat.lng, event.lngLat.lat]));
    map.on('mousemove', (event) => {
      const now = performance.now();
      if (now - this.hoverAt < HOVER_EVERY_MS || event.originalEvent.buttons) return;
      this.hoverAt = now;
      this.hover(event.point.x, event.point.y);
    });
    map.on('mouseout', () => handlers.hovered(null));
    // whoever takes the map in hand ends a flight
    map.on('dragstart', () => (this.flight = null));
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
    this.deck.detach();
    this.handlers.contextLost();
  };

  // ---- what is shown --------------------------------------------------------------------------

  /** Layers as the server declares them. */
  setLayers(spec: LayerSpec): void {
    this.deck.declare(spec);
  }

  /** The ring round a chosen worker goes with it. */
  private followChosen(): void {
    const at = this.followed === null ? null : this.deck.workerAt(this.followed);
    if (at) this.marks.relocate('selected', at[0], at[1]);
  }

  follow(workerId: number | null): void {
    this.followed = workerId;
    this.followChosen();
  }

  commit(change: Commit): void {
    this.deck.commit(change);
  }

  setDead(layer: LiveName, dead: boolean): void {
    this.deck.setDead(layer, dead);
  }

  setToggle(name: string, on: boolean): void {
    if (this.toggles[name] === on) return;
    this.toggles[name] = on;
    this.refreshToggles();
    this.deck.setToggle(name, on);
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

  /** Panels have come, gone or grown: a flight that is under way ends where it was to end, in what is left now. */
  setRoom({ padding, taken, free }: Room): void {
    const held = this.map.getPadding();
    if ((['top', 'bottom', 'left', 'right'] as const).some((side) => Math.abs((held[side] ?? 0) - padding[side]) > 0.5)) {
      const leftMs = this.flight ? this.flight.endsAt - performance.now() : 0;
      this.map.easeTo(leftMs > 0 ? { ...this.flight!.to, padding, duration: leftMs } : { padding, duration: 0 });
    }
    this.marks.avoid(taken, free);
  }

  flyTo(lon: number, lat: number, zoom = 17): void {
    const duration = reducedMotion() ? 0 : FLIGHT_MS;
    const to = { center: [lon, lat] as [number, number], zoom: Math.max(this.map.getZoom(), zoom) };
    this.flight = { to, endsAt: performance.now() + duration };
    this.map.easeTo({ ...to, duration });
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
    const drawn = this.deck.pick(x, y);
    if (drawn) return drawn;
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
    const best = nearest(this.map, { devices: this.board.devices, workers: this.deck.workerPlaces() }, x, y);
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

  /** Show on the ground the fence that open alarms are about. */
  showFence(fence: ShownFence | null): void {
    this.fence = fence;
    (this.map.getSource('alarm_fence') as GeoJSONSource | undefined)?.setData(fenceData(fence));
  }

  /** Draw the way of somebody who could go; none where it is empty. */
  showWay(path: [number, number][]): void {
    this.deck.setWay(path);
  }

  /** Show the field of one camera in the colour of what is chosen. */
  selectCamera(deviceId: number | null): void {
    if (this.map.getLayer('camera_field-selected')) this.map.setFilter('camera_field-selected', ['==', ['id'], deviceId ?? -1]);
  }

  setMarks(marks: Mark[]): void {
    this.marks.set(marks);
    this.followChosen();
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
    this.deck.renderLive();
  }

  /** For tests: lose and restore the context of the live canvas. */
  liveCanvas(): HTMLCanvasElement | null {
    return this.deck.canvas();
  }

  destroy(): void {
    this.removed = true;
    this.deck.destroy();
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
