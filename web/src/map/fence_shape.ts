/** Draw a fence, the border that is being drawn and what a trial found on the ground, with corners that can be moved. */
import type { GeoJSONSource, LngLatBoundsLike, Map as MapLibreMap } from 'maplibre-gl';
import type { Feature, FeatureCollection } from 'geojson';
import type { Polygons, Position } from '../api/rules_schema.ts';
import { PALETTES } from '../look/palette.ts';
import type { Theme } from '../look/theme.ts';
import type { CornerAt } from '../state/rules/fence.ts';
import { reducedMotion } from './deck_layers.ts';

export interface FenceShown {
  polygons: Polygons;
  /** The corners have handles. */
  editable: boolean;
  drawing: Position[] | null;
  /** Devices that a rule would have fired on, and how often. */
  found: { lon: number; lat: number; times: number; chosen: boolean }[];
  state: 'warning' | 'alarm' | 'critical';
  /** What a screen reader says of a corner, from 1, and of the place between two. */
  cornerName: (polygon: number, corner: number) => string;
  betweenName: string;
}

export interface FenceHandlers {
  moved(at: CornerAt, to: Position): void;
  inserted(after: CornerAt, to: Position): void;
  removed(at: CornerAt): void;
  /** The first corner of the border being drawn was clicked. */
  closed(): void;
}

/** More corners than this are not moved by hand: their handles would hide the map. */
export const MOST_HANDLES = 120;
const STEP_PX = 2;
const FAR_STEP_PX = 20;
const FLIGHT_MS = 700;
const SOURCE = 'fence';

interface Handle {
  element: HTMLButtonElement;
  lonLat: Position;
}

export class FenceShape {
  private readonly map: MapLibreMap;
  private readonly handlers: FenceHandlers;
  private readonly theme: Theme;
  private readonly root = document.createElement('div');
  private handles: Handle[] = [];
  private shown: FenceShown | null = null;
  private data: FeatureCollection = { type: 'FeatureCollection', features: [] };
  private ready = false;
  private removed = false;

  constructor(map: MapLibreMap, theme: Theme, handlers: FenceHandlers) {
    this.map = map;
    this.theme = theme;
    this.handlers = handlers;
    this.root.className = 'corners';
    map.getContainer().append(this.root);
    map.on('render', this.place);
    try {
      this.addLayers();
    } catch {
      // the style is still on its way
      void map.once('load', () => this.removed || this.addLayers());
    }
  }

  private addLayers(): void {
    const { map } = this;
    const tokens = PALETTES[this.theme];
    map.addSource(SOURCE, { type: 'geojson', data: this.data });
    const of = (kind: string) => ['==', ['get', 'kind'], kind] as never;
    map.addLayer({ id: 'fence-fill', type: 'fill', source: SOURCE, filter: of('fence'), paint: { 'fill-color': tokens.focus, 'fill-opacity': 0.14 } });
    map.addLayer({ id: 'fence-edge', type: 'line', source: SOURCE, filter: of('fence'), layout: { 'line-join': 'round' }, paint: { 'line-color': tokens.focus, 'line-width': 2.5 } });
    map.addLayer({ id: 'fence-drawn', type: 'line', source: SOURCE, filter: of('drawn'), layout: { 'line-join': 'round' }, paint: { 'line-color': tokens.focus, 'line-width': 2.5, 'line-dasharray': [2, 1.5] } });
    map.addLayer({
      id: 'fence-found', type: 'circle', source: SOURCE, filter: of('found'),
      paint: {
        'circle-color': ['match', ['get', 'state'], 'critical', tokens.critical, 'warning', tokens.warning, tokens.alarm],
        'circle-opacity': 0.3,
        'circle-stroke-color': ['match', ['get', 'state'], 'critical', tokens.critical, 'warning', tokens.warning, tokens.alarm],
        'circle-stroke-width': ['case', ['get', 'chosen'], 3, 1.5],
        // the area of a circle says how often
        'circle-radius': ['min', 26, ['+', 4, ['*', 2.2, ['sqrt', ['get', 'times']]]]],
      },
    });
    this.ready = true;
    this.write();
  }

  set(shown: FenceShown): void {
    this.shown = shown;
    const features: Feature[] = shown.found.map((one) => ({ type: 'Feature', properties: { kind: 'found', times: one.times, chosen: one.chosen, state: shown.state }, geometry: { type: 'Point', coordinates: [one.lon, one.lat] } }));
    if (shown.polygons.length) features.push({ type: 'Feature', properties: { kind: 'fence' }, geometry: { type: 'MultiPolygon', coordinates: shown.polygons } });
    if (shown.drawing && shown.drawing.length > 1) features.push({ type: 'Feature', properties: { kind: 'drawn' }, geometry: { type: 'LineString', coordinates: shown.drawing } });
    this.data = { type: 'FeatureCollection', features };
    if (shown.drawing) this.map.doubleClickZoom.disable();
    else this.map.doubleClickZoom.enable();
    this.write();
    this.arm();
  }

  /** Look at all of it. */
  see([w, s, e, n]: [number, number, number, number]): void {
    const bounds: LngLatBoundsLike = [[w, s], [e, n]];
    this.map.fitBounds(bounds, { padding: 60, maxZoom: 17, pitch: this.map.getPitch(), bearing: this.map.getBearing(), duration: reducedMotion() ? 0 : FLIGHT_MS });
  }

  destroy(): void {
    this.removed = true;
    this.map.off('render', this.place);
    this.root.remove();
  }

  private write(): void {
    if (this.ready && !this.removed) (this.map.getSource(SOURCE) as GeoJSONSource | undefined)?.setData(this.data);
  }

  /** Handles of every corner, and smaller ones between two that put a corner there. */
  private arm(): void {
    const { shown } = this;
    if (!shown) return;
    const wanted: { key: string; lonLat: Position; name: string; className: string }[] = [];
    const drawing = shown.drawing ?? [];
    drawing.forEach((lonLat, i) => wanted.push({ key: `d,0,${i}`, lonLat, name: shown.cornerName(0, i), className: i === 0 && drawing.length > 2 ? 'corner first' : 'corner dot' }));
    const corners = shown.polygons.flat(1).reduce((sum, ring) => sum + ring.length - 1, 0);
    if (shown.editable && !shown.drawing && corners <= MOST_HANDLES)
      shown.polygons.forEach((polygon, p) =>
        polygon.forEach((ring, r) =>
          ring.slice(0, -1).forEach((lonLat, i) => {
            wanted.push({ key: `c,${p},${r},${i}`, lonLat, name: shown.cornerName(p, i), className: 'corner' });
            wanted.push({ key: `m,${p},${r},${i}`, lonLat: [(lonLat[0] + ring[i + 1][0]) / 2, (lonLat[1] + ring[i + 1][1]) / 2], name: shown.betweenName, className: 'corner between' });
          }),
        ),
      );
    wanted.forEach((one, i) => {
      const held = this.handles[i] ?? this.add();
      held.lonLat = one.lonLat;
      if (held.element.className !== one.className) held.element.className = one.className;
      held.element.dataset.corner = one.key;
      held.element.setAttribute('aria-label', one.name);
      held.element.tabIndex = one.className === 'corner' || one.className === 'corner first' ? 0 : -1;
    });
    for (const gone of this.handles.splice(wanted.length)) gone.element.remove();
    this.place();
  }

  private add(): Handle {
    const element = document.createElement('button');
    element.type = 'button';
    element.addEventListener('pointerdown', this.down);
    element.addEventListener('keydown', this.key);
    element.addEventListener('contextmenu', this.remove);
    element.addEventListener('click', this.click);
    this.root.append(element);
    const handle: Handle = { element, lonLat: [0, 0] };
    this.handles.push(handle);
    return handle;
  }

  private readonly place = (): void => {
    const bounds = this.map.getBounds();
    for (const { element, lonLat } of this.handles) {
      const at = this.map.project(lonLat);
      element.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px) translate(-50%, -50%)`;
      // behind the camera a place is projected to nonsense
      element.style.visibility = bounds.contains(lonLat) ? 'visible' : 'hidden';
    }
  };

  private static at(element: Element): { kind: string; at: CornerAt } {
    const [kind, polygon, ring, corner] = ((element as HTMLElement).dataset.corner ?? '').split(',');
    return { kind, at: { polygon: Number(polygon), ring: Number(ring), corner: Number(corner) } };
  }

  private readonly down = (event: PointerEvent): void => {
    const element = event.currentTarget as HTMLElement;
    const { kind, at } = FenceShape.at(element);
    if (kind !== 'c' || event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    const box = this.map.getContainer().getBoundingClientRect();
    const move = (to: PointerEvent) => {
      const { lng, lat } = this.map.unproject([to.clientX - box.left, to.clientY - box.top]);
      this.handlers.moved(at, [lng, lat]);
    };
    const end = () => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', end);
      element.removeEventListener('pointercancel', end);
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', end);
    element.addEventListener('pointercancel', end);
  };

  private readonly click = (event: MouseEvent): void => {
    const { kind, at } = FenceShape.at(event.currentTarget as Element);
    const held = this.handles.find((one) => one.element === event.currentTarget);
    if (kind === 'm' && held) this.handlers.inserted(at, held.lonLat);
    else if (kind === 'd' && (event.currentTarget as HTMLElement).classList.contains('first')) this.handlers.closed();
  };

  private readonly remove = (event: Event): void => {
    const { kind, at } = FenceShape.at(event.currentTarget as Element);
    event.preventDefault();
    if (kind === 'c') this.handlers.removed(at);
  };

  private readonly key = (event: KeyboardEvent): void => {
    const { kind, at } = FenceShape.at(event.currentTarget as Element);
    const held = this.handles.find((one) => one.element === event.currentTarget);
    if (kind !== 'c' || !held) return;
    const step = event.shiftKey ? FAR_STEP_PX : STEP_PX;
    const by = { ArrowUp: [0, -step], ArrowDown: [0, step], ArrowLeft: [-step, 0], ArrowRight: [step, 0] }[event.key];
    if (by) {
      const from = this.map.project(held.lonLat);
      const { lng, lat } = this.map.unproject([from.x + by[0], from.y + by[1]]);
      this.handlers.moved(at, [lng, lat]);
    } else if (event.key === 'Delete' || event.key === 'Backspace') this.handlers.removed(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
