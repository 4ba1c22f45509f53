/** Decide which marks, clusters and names the map should carry: alarms first, then places. Pure. */
import type { AlarmGroup } from '../api/schema.ts';
import { clock, number, type Key, type Lang } from '../i18n/index.ts';
import { stateCode, stateName } from '../look/palette.ts';
import { merge, type Cell } from '../state/cells.ts';
import { groupTitle, groupWhat } from '../state/groups.ts';
import type { Mark } from './marks.ts';
import type { PlaceName } from './places.ts';

export interface Composition {
  lang: Lang;
  t: (key: Key, ...args: (string | number)[]) => string;
  groups: AlarmGroup[];
  /** Key of the group whose callout is open; null: the worst one has it when it is critical. */
  selectedGroup: string | null;
  /** The selected thing that is no group: shown by a ring. */
  selected: { lon: number; lat: number; name: string } | null;
  freshCritical: ReadonlySet<string>;
  places: PlaceName[];
  cells: Cell[] | null;
  zoom: number;
  nowMs: number;
  /** The feed is dead: marks are drawn as unknown. */
  lost: boolean;
}

const MAX_MARKS = 40;
const MAX_CLUSTERS = 160;
/** Rings round a critical incident, m: hurt, warned, watched. */
const RING_M = 80;

/** Resolution at which neighbouring clusters stand about 90 px apart. */
export function clusterResolution(zoom: number): number {
  return Math.max(2, Math.min(9, Math.floor((zoom - 1.2) / 1.404 + 0.2)));
}

/** The group whose callout is open: the selected one, else the worst when it is critical and not put aside. */
export function openGroup(c: Pick<Composition, 'groups' | 'selectedGroup'>): AlarmGroup | undefined {
  if (c.selectedGroup) return c.groups.find((group) => group.key === c.selectedGroup);
  const worst = c.groups.find((group) => !group.shelved_until);
  return worst && stateCode(worst.state) === 5 ? worst : undefined;
}

/** How long a group has been open, as its row in the rail says it. */
export function sinceClock(lang: Lang, group: AlarmGroup, nowMs: number): string {
  return clock(lang, (nowMs - Date.parse(group.since)) / 1000);
}

export function compose(c: Composition): Mark[] {
  const marks: Mark[] = [];
  const open = openGroup(c)?.key;
  if (!c.cells) {
    c.groups.slice(0, MAX_MARKS).forEach((group, i) => {
      const state = c.lost ? 'unknown' : stateName(group.state);
      const callout = group.key === open;
      const code = stateCode(group.state);
      const aside = !!group.shelved_until;
      marks.push({
        key: `group:${group.key}`,
        lon: group.lon,
        lat: group.lat,
        // what is put aside gives way to all that is not
        rank: callout ? 0 : (aside ? 120 : 10) + (5 - code) * 20 + i / 100,
        kind: 'mark',
        shape: state,
        stem: callout ? 3.6 : aside ? 1.4 : code >= 4 ? 3 : 2.1,
        text: callout ? groupTitle(c.lang, group) : aside ? `${groupWhat(c.lang, group)}·${c.t('al_shelving')}` : groupWhat(c.lang, group),
        note: callout ? [group.count > 1 ? c.t(group.case ? 'toCase' : 'sensors', group.count) : c.t(`state_${state}`), group.case?.number].filter(Boolean).join(' ') : undefined,
        figure: callout ? sinceClock(c.lang, group, c.nowMs) : undefined,
        callout,
        rings: code === 5 && !aside && !c.lost && (callout || c.freshCritical.has(group.key)) ? { radiusM: RING_M, fresh: c.freshCritical.has(group.key) } : undefined,
        title: groupTitle(c.lang, group),
      });
    });
  } else {
    const clusters = merge(c.cells, clusterResolution(c.zoom)).sort((a, b) => b.worst - a.worst || b.abnormal - a.abnormal || b.count - a.count);
    clusters.slice(0, MAX_CLUSTERS).forEach((cell, i) =>
      marks.push({
        key: `cell:${cell.cell}`,
        lon: cell.lon,
        lat: cell.lat,
        rank: 10 + (5 - cell.worst) * 20 + i / 1000,
        kind: 'cluster',
        shape: c.lost ? 'unknown' : stateName(cell.worst),
        text: cell.abnormal && !c.lost ? number(cell.abnormal) : number(cell.count),
        note: cell.abnormal && !c.lost ? ` / ${number(cell.count)}` : undefined,
        title: cell.abnormal ? c.t('clusterNote', cell.abnormal) : c.t('normalAll', cell.count),
      }),
    );
  }
  // its name is written only where the thing itself cannot be seen; an open callout says it already
  if (c.selected) marks.push({ key: 'selected', lon: c.selected.lon, lat: c.selected.lat, rank: 1, kind: 'ring', text: c.selectedGroup && !c.cells ? undefined : c.selected.name });
  for (const p of c.places)
    marks.push({
      key: p.key,
      lon: p.lon,
      lat: p.lat,
      rank: 200 + p.rank * 10,
      kind: 'name',
      text: (c.lang === 'en' && p.nameEn) || p.name,
      note: p.note ?? [p.households ? c.t('households', number(p.households)) : '', p.grids ? c.t('grids', p.grids) : ''].filter(Boolean).join('·'),
      level: p.level,
      heightM: p.heightM,
    });
  return marks;
}
