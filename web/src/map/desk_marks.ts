/** Decide what the map of the desk carries: the open case, who could go, cameras that see it, and the alarms. Pure. */
import type { Candidate, CaseStand, Surroundings } from '../api/case_schema.ts';
import type { AlarmGroup } from '../api/schema.ts';
import { nameOf, type Key, type Lang } from '../i18n/index.ts';
import type { PlaceName } from './places.ts';
import { unmarked } from '../state/groups.ts';
import { arrivalInShort } from '../state/desk/arrival.ts';
import type { Cell } from '../state/cells.ts';
import { compose } from './compose.ts';
import type { Mark } from './marks.ts';

export interface DeskComposition {
  lang: Lang;
  t: (key: Key, ...args: (string | number)[]) => string;
  groups: AlarmGroup[];
  stand: CaseStand | null;
  /** Shape of the open case, and how many sensors say so. */
  icon: string;
  sensors: number;
  handlers: Candidate[];
  chosen: number;
  cameras: Surroundings['cameras'];
  /** Where a live row is shown; null where it is not in view. */
  place: (layer: 'devices' | 'workers', id: number) => [number, number] | null;
  found: { lon: number; lat: number; name: string } | null;
  picked: [number, number] | null;
  places: PlaceName[];
  cells: Cell[] | null;
  zoom: number;
  lost: boolean;
}

const MOST_PINS = 4;
const FRESH: ReadonlySet<string> = new Set();
/** Round the place of a case, m: where it is, and what it may touch. */
const RING_M = 60;

export function deskMarks(c: DeskComposition): Mark[] {
  const { stand } = c;
  const own = stand ? c.groups.find((group) => group.case?.id === stand.id) : undefined;
  // the group of the open case is shown once: by its case
  const others = c.groups.filter((group) => group !== own);
  const marks: Mark[] = compose({
    lang: c.lang,
    t: c.t,
    groups: others,
    selectedGroup: stand ? '' : null,
    selected: c.found,
    freshCritical: FRESH,
    places: c.places,
    cells: c.cells,
    zoom: c.zoom,
    nowMs: 0,
    lost: c.lost,
  }).map((mark) => (stand && mark.callout ? { ...mark, callout: false, note: undefined, figure: undefined, rings: undefined } : { ...mark, figure: undefined }));
  if (c.picked) marks.push({ key: 'picked', lon: c.picked[0], lat: c.picked[1], rank: 1, kind: 'ring', text: c.t('reportPlace') });
  if (!stand || c.cells) return marks;
  const state = c.lost ? 'unknown' : c.icon;
  marks.push({
    key: `case:${stand.id}`,
    lon: stand.lon,
    lat: stand.lat,
    rank: 0,
    kind: 'mark',
    shape: state,
    stem: 3.4,
    text: unmarked(nameOf(c.lang, stand.title)),
    note: [c.sensors > 1 ? c.t('sensors', c.sensors) : '', stand.number].filter(Boolean).join('·'),
    callout: true,
    rings: state === 'critical' ? { radiusM: RING_M, fresh: false } : undefined,
    title: nameOf(c.lang, stand.title),
  });
  if (stand.outcome === null)
    c.handlers.slice(0, Math.max(MOST_PINS, c.chosen + 1)).forEach((candidate, i) => {
      const at = candidate.tracker_id == null ? null : c.place('workers', candidate.tracker_id);
      if (!at || (i >= MOST_PINS && i !== c.chosen)) return;
      marks.push({
        key: `pin:${i}`,
        lon: at[0],
        lat: at[1],
        rank: i === c.chosen ? 1 : 5 + i,
        kind: 'mark',
        shape: 'person',
        badge: String(i + 1),
        level: i === c.chosen ? 'first' : undefined,
        stem: 1.6,
        text: [nameOf(c.lang, candidate.name), arrivalInShort(c.t, candidate)].filter(Boolean).join(' '),
        title: nameOf(c.lang, candidate.name),
      });
    });
  c.cameras.forEach((camera, i) => {
    if (!camera.sees) return;
    const at = c.place('devices', camera.id);
    if (at) marks.push({ key: `cam:${camera.id}`, lon: at[0], lat: at[1], rank: 8, kind: 'mark', shape: 'camera', stem: 1.4, text: `F${i + 1}`, title: unmarked(nameOf(c.lang, camera.name)) || camera.uid });
  });
  return marks;
}
