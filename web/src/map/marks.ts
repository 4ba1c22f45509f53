/** Draw marks on stems, clusters and place names as HTML over the map; one element per thing, moved by transform. */
import { foreign } from '../i18n/index.ts';
import { shapeSvg } from '../look/shapes.ts';
import { inside, pin, place, type Box, type Candidate } from './labels.ts';

export interface Mark {
  key: string;
  lon: number;
  lat: number;
  rank: number;
  /** `mark` stands on a stem; `cluster` carries a count; `name` is a place; `ring` shows the selected thing. */
  kind: 'mark' | 'cluster' | 'name' | 'ring';
  /** State or `person`, for shape and colour. */
  shape?: string;
  /** Height of the stem in rem. */
  stem?: number;
  /** One or two words right of the mark, or the name of the place. */
  text?: string;
  /** Second line, smaller. */
  note?: string;
  /** Bold figure at the right of the second line. */
  figure?: string;
  /** Draw as callout with a border in the colour of the state. */
  callout?: boolean;
  /** Class of a name: community, place, landmark. */
  level?: string;
  /** Metres above the ground where a name stands. */
  heightM?: number;
  /** Rings round the foot, radius m; spread three times when new. */
  rings?: { radiusM: number; fresh: boolean };
  title?: string;
  /** A number in a circle in place of the shape. */
  badge?: string;
}

export interface Projector {
  project(lonLat: [number, number]): { x: number; y: number };
  /** Pixels a metre on the ground takes at the middle of the map. */
  pxPerM(): number;
  pitchRad(): number;
  /** Direction from the middle of the view to a place, clockwise from the right of the screen, rad. */
  directionRad(lonLat: [number, number]): number;
  size(): { width: number; height: number };
  /** The ground in view: west, south, east, north. Behind the camera, project() answers nonsense. */
  ground(): [number, number, number, number];
}

interface Drawn {
  mark: Mark;
  element: HTMLElement;
  signature: string;
  width: number;
  height: number;
  x: number;
  y: number;
  inView: boolean;
  /** The place itself is behind a panel or out of view: the words stand at the edge and an arrow points there. */
  pinned: Box | null;
}

/** Arrow at the edge, rem: its room, and between it and the words. */
const ARROW_REM = 1.5;
/** How far out of the free part a place seen in the wrong place counts as, px. */
const FAR_PX = 1e5;

const SHAPE_REM = { mark: 1.45, callout: 2, cluster: 1.5, name: 0, ring: 0 };

export class Marks {
  private readonly root: HTMLElement;
  private readonly drawn = new Map<string, Drawn>();
  private readonly projector: Projector;
  private readonly click: (key: string) => void;
  private rem = 16;
  private taken: Box[] = [];
  private free: Box | null = null;

  constructor(container: HTMLElement, projector: Projector, click: (key: string) => void) {
    this.projector = projector;
    this.click = click;
    this.root = document.createElement('div');
    this.root.className = 'marks';
    container.append(this.root);
    this.root.addEventListener('click', this.onClick);
  }

  private readonly onClick = (event: Event): void => {
    const key = (event.target as HTMLElement).closest<HTMLElement>('[data-key]')?.dataset.key;
    if (key) this.click(key);
  };

  destroy(): void {
    this.root.removeEventListener('click', this.onClick);
    this.root.remove();
    this.drawn.clear();
  }

  /** Panels and other places where nothing may be drawn, and the part of the map that is left, px of the map. */
  avoid(boxes: Box[], free: Box): void {
    this.taken = boxes;
    this.free = free;
    this.move();
    this.arrange();
  }

  /** Whether a mark is shown at the edge, because its place cannot be seen. */
  isPinned(key: string): boolean {
    return !!this.drawn.get(key)?.pinned;
  }

  /** Write the running figure of a mark, which changes more often than all else of it. */
  figure(key: string, text: string): void {
    const at = this.drawn.get(key)?.element.querySelector('.words strong');
    if (at) at.textContent = text;
  }

  /** Move one mark to another place on the ground. */
  relocate(key: string, lon: number, lat: number): void {
    const d = this.drawn.get(key);
    if (!d) return;
    d.mark = { ...d.mark, lon, lat };
    this.move([d]);
  }

  set(marks: Mark[]): void {
    this.rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
    const keep = new Set<string>();
    for (const mark of marks) {
      keep.add(mark.key);
      const signature = JSON.stringify({ ...mark, lon: 0, lat: 0, rank: 0, figure: '' });
      const held = this.drawn.get(mark.key);
      if (held && held.signature === signature) {
        held.mark = mark;
        if (mark.figure) this.figure(mark.key, mark.figure);
        continue;
      }
      held?.element.remove();
      const element = this.build(mark);
      this.root.append(element);
      const words = element.querySelector<HTMLElement>('.words');
      this.drawn.set(mark.key, { mark, element, signature, width: words?.offsetWidth ?? 0, height: words?.offsetHeight ?? 0, x: 0, y: 0, inView: false, pinned: null });
    }
    for (const [key, d] of this.drawn)
      if (!keep.has(key)) {
        d.element.remove();
        this.drawn.delete(key);
      }
    this.move();
    this.arrange();
  }

  private build(mark: Mark): HTMLElement {
    const active = mark.kind === 'mark' || mark.kind === 'cluster';
    const element = document.createElement(active ? 'button' : 'div');
    element.className = `mk ${mark.kind} s-${mark.shape ?? 'none'}${mark.callout ? ' call' : ''}${mark.level ? ` l-${mark.level}` : ''}`;
    if (active) {
      element.dataset.key = mark.key;
      element.setAttribute('tabindex', '-1');
      const name = document.createElement('i');
      name.className = 'sr';
      name.textContent = mark.title ?? mark.text ?? '';
      element.append(name);
    }
    const part = (className: string, html = '') => {
      const p = document.createElement('span');
      p.className = className;
      p.innerHTML = html;
      element.append(p);
      return p;
    };
    if (mark.rings) {
      const rings = part(`rings${mark.rings.fresh ? ' fresh' : ''}`, '<i></i><i></i><i></i>');
      rings.dataset.radius = String(mark.rings.radiusM);
    }
    if (mark.kind === 'ring') {
      part('halo');
      element.dataset.key = mark.key;
    }
    if (mark.kind === 'ring' || mark.callout) part('arrow');
    if (mark.kind === 'mark') {
      part('foot');
      part('stem').style.height = `${mark.stem ?? 2}rem`;
    }
    const sign = mark.badge === undefined ? shapeSvg(mark.shape ?? 'unknown') : `<em>${mark.badge.replace(/\D/g, '')}</em>`;
    if (active) part('shape', sign).style.bottom = mark.kind === 'mark' ? `${mark.stem ?? 2}rem` : '0';
    if (mark.text) {
      const words = part('words');
      if (active) words.setAttribute('aria-hidden', 'true'); // its name says more
      if (mark.kind === 'mark') words.style.bottom = `${(mark.stem ?? 2) + (mark.callout ? 0.4 : 0.02)}rem`;
      const title = document.createElement('b');
      title.textContent = mark.text;
      const lang = foreign(document.documentElement.lang === 'en' ? 'en' : 'zh', mark.text);
      if (lang) title.lang = lang;
      words.append(title);
      if (mark.note) {
        const note = document.createElement('small');
        note.textContent = mark.note;
        if (mark.figure) {
          const figure = document.createElement('strong');
          figure.textContent = mark.figure;
          note.append(figure);
        }
        words.append(note);
      }
    }
    return element;
  }

  /** Follow the camera: cheap, at every frame of the map. */
  move(some: Iterable<Drawn> = this.drawn.values()): void {
    const ppm = this.projector.pxPerM();
    const pitch = this.projector.pitchRad();
    const [w, so, e, n] = this.projector.ground();
    for (const d of some) {
      const { mark, element } = d;
      d.inView = mark.lon > w && mark.lon < e && mark.lat > so && mark.lat < n;
      if ((mark.kind === 'ring' || mark.callout) && this.pinDown(d)) continue;
      if (!d.inView) {
        element.style.visibility = 'hidden';
        continue;
      }
      const p = this.projector.project([mark.lon, mark.lat]);
      d.x = p.x;
      d.y = p.y - (mark.heightM ?? 0) * ppm * Math.sin(pitch);
      element.style.transform = `translate3d(${d.x.toFixed(1)}px,${d.y.toFixed(1)}px,0)`;
      if (mark.rings) {
        const rings = element.querySelector<HTMLElement>('.rings');
        if (rings) {
          const r = Math.max(18, mark.rings.radiusM * ppm);
          rings.style.width = `${(2 * r).toFixed(0)}px`;
          rings.style.height = `${(2 * r * Math.cos(pitch)).toFixed(0)}px`;
        }
      }
    }
  }

  /** Show at the edge where the chosen thing is, when it is not in the free part of the map. */
  private pinDown(d: Drawn): boolean {
    const { mark, element } = d;
    const was = d.pinned !== null;
    d.pinned = null;
    const arrow = ARROW_REM * this.rem;
    if (this.free) {
      const edge = { x0: this.free.x0 + arrow / 2, y0: this.free.y0 + arrow / 2, x1: this.free.x1 - arrow / 2, y1: this.free.y1 - arrow / 2 };
      let { x, y } = d.inView ? this.projector.project([mark.lon, mark.lat]) : { x: 0, y: 0 };
      if (!d.inView) {
        const direction = this.projector.directionRad([mark.lon, mark.lat]);
        x = (edge.x0 + edge.x1) / 2 + FAR_PX * Math.cos(direction);
        y = (edge.y0 + edge.y1) / 2 + FAR_PX * Math.sin(direction);
      }
      // the head of a mark counts as well as its foot
      const head = (mark.stem ?? 0) * this.rem + (mark.callout ? SHAPE_REM.callout * this.rem : 0);
      const at = pin(edge, x, y) ?? (head ? pin({ ...edge, y0: edge.y0 - arrow }, x, y - head) : null);
      const words = element.querySelector<HTMLElement>('.words');
      if (at && !words) {
        element.style.visibility = 'hidden'; // half a ring behind a panel tells nothing; the callout does
        d.inView = false;
        return true;
      }
      if (at && words) {
        const room = { x0: edge.x0 + arrow, y0: edge.y0 + arrow, x1: edge.x1 - arrow, y1: edge.y1 - arrow };
        const middle = inside(room, at.x, at.y, d.width, d.height);
        for (const other of this.drawn.values()) {
          if (other === d || !other.pinned || middle.x + d.width / 2 < other.pinned.x0 || middle.x - d.width / 2 > other.pinned.x1) continue;
          // two that point the same way stand one under the other
          const apart = (other.pinned.y1 - other.pinned.y0 + d.height) / 2 + 0.3 * this.rem;
          const y = (other.pinned.y0 + other.pinned.y1) / 2;
          if (Math.abs(middle.y - y) < apart) middle.y = y + apart + d.height / 2 > room.y1 ? y - apart : y + apart;
        }
        d.pinned = { x0: middle.x - d.width / 2, x1: middle.x + d.width / 2, y0: middle.y - d.height / 2, y1: middle.y + d.height / 2 };
        element.style.transform = `translate3d(${at.x.toFixed(1)}px,${at.y.toFixed(1)}px,0)`;
        element.style.setProperty('--turn', `${at.angle.toFixed(3)}rad`);
        element.style.setProperty('--dx', `${(middle.x - at.x).toFixed(1)}px`);
        element.style.setProperty('--dy', `${(middle.y - at.y).toFixed(1)}px`);
        element.style.visibility = words.style.visibility = 'visible';
      }
    }
    if (was !== (d.pinned !== null)) element.classList.toggle('pinned', d.pinned !== null);
    return d.pinned !== null;
  }

  /** Stem and foot, with the inner ring where there is one. */
  private body(d: Drawn): Box {
    const rings = d.mark.rings;
    const rx = rings ? Math.max(18, rings.radiusM * this.projector.pxPerM()) * 0.7 : 6;
    const ry = rings ? rx * Math.cos(this.projector.pitchRad()) : 5;
    return { x0: d.x - rx, x1: d.x + rx, y0: Math.min(d.y - ry, d.y - (d.mark.stem ?? 0) * this.rem), y1: d.y + ry };
  }

  /** Decide what fits: after a movement has ended, and when things change. */
  arrange(): void {
    const { width, height } = this.projector.size();
    const candidates: Candidate[] = [];
    for (const d of this.drawn.values()) {
      if (d.pinned) {
        candidates.push({ key: d.mark.key, rank: 0, shape: null, label: d.pinned, forced: true });
        continue;
      }
      if (!d.inView || d.x < -80 || d.y < -80 || d.x > width + 80 || d.y > height + 160) continue;
      const { mark } = d;
      if (mark.kind === 'ring') continue;
      const half = ((mark.callout ? SHAPE_REM.callout : SHAPE_REM[mark.kind]) * this.rem) / 2;
      const top = d.y - (mark.stem ?? 0) * this.rem;
      if (mark.kind === 'name') {
        candidates.push({ key: mark.key, rank: mark.rank, shape: null, label: { x0: d.x - d.width / 2 - 4, x1: d.x + d.width / 2 + 4, y0: d.y - d.height / 2 - 2, y1: d.y + d.height / 2 + 2 } });
        continue;
      }
      const shape = { x0: d.x - half, x1: d.x + half, y0: top - 2 * half, y1: top };
      const apart = half + 0.35 * this.rem;
      const rows = { y0: shape.y1 - d.height - (mark.callout ? 0.6 * this.rem : 0), y1: shape.y1 };
      candidates.push({
        key: mark.key,
        rank: mark.rank,
        shape,
        label: d.width ? { x0: d.x + apart, x1: d.x + apart + d.width, ...rows } : null,
        left: { x0: d.x - apart - d.width, x1: d.x - apart, ...rows },
        body: mark.kind === 'mark' ? this.body(d) : undefined,
        forced: mark.callout,
      });
    }
    const beyond = [
      { x0: -Infinity, x1: 0, y0: -Infinity, y1: Infinity },
      { x0: width, x1: Infinity, y0: -Infinity, y1: Infinity },
    ];
    const placed = place(candidates, this.taken, beyond);
    for (const [key, d] of this.drawn) {
      if (d.pinned) continue;
      if (d.mark.kind === 'ring') {
        d.element.style.visibility = d.inView ? 'visible' : 'hidden';
        const name = d.element.querySelector<HTMLElement>('.words');
        if (name) name.style.visibility = 'hidden';
        continue;
      }
      const p = placed.get(key);
      const shown = !!p && (p.shape || p.label);
      d.element.style.visibility = shown ? 'visible' : 'hidden';
      d.element.classList.toggle('left', !!p?.left);
      const words = d.element.querySelector<HTMLElement>('.words');
      if (words) words.style.visibility = shown && p.label ? 'visible' : 'hidden';
    }
  }
}
