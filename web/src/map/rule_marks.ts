/** Decide what the map of the rules carries: the devices a trial found, the chosen one, and names of places. Pure. */
import type { Episode, RuleState } from '../api/rules_schema.ts';
import { nameOf, type Key, type Lang } from '../i18n/index.ts';
import type { DeviceEpisodes } from '../state/rules/trial.ts';
import { compose } from './compose.ts';
import type { Mark } from './marks.ts';
import type { PlaceName } from './places.ts';

export interface RuleComposition {
  lang: Lang;
  t: (key: Key, ...args: (string | number)[]) => string;
  state: RuleState;
  episodes: Episode[];
  devices: DeviceEpisodes[];
  /** Place of the chosen episode in the list. */
  chosen: number | null;
  places: PlaceName[];
  zoom: number;
}

/** Every device has its circle on the ground; marks stand on those with most episodes. */
const MOST_MARKS = 24;

export function ruleMarks(c: RuleComposition): Mark[] {
  const marks = compose({ lang: c.lang, t: c.t, groups: [], selectedGroup: '', selected: null, freshCritical: new Set(), places: c.places, cells: null, zoom: c.zoom, nowMs: 0, lost: false });
  const chosen = c.chosen === null ? undefined : c.episodes[c.chosen];
  c.devices.forEach((device, i) => {
    const isChosen = device.id === chosen?.device_id;
    if (i >= MOST_MARKS && !isChosen) return;
    const first = c.episodes[device.at[0]];
    const name = nameOf(c.lang, first.name) || first.uid;
    marks.push({
      key: `found:${device.at[0]}`,
      lon: device.lon,
      lat: device.lat,
      rank: isChosen ? 0 : 10 + i / 100,
      kind: 'mark',
      shape: c.state,
      stem: isChosen ? 3 : 1.8,
      text: isChosen ? name : c.t('ru_times', device.at.length),
      note: isChosen ? c.t('ru_times', device.at.length) : undefined,
      callout: isChosen,
      title: `${name} ${c.t('ru_times', device.at.length)}`,
    });
  });
  return marks;
}
