/** Say what an event of the journal tells: pure. */
import type { CityEvent, DeviceKind } from '../api/schema.ts';
import { nameOf, type Lang } from '../i18n/index.ts';
import { kindFirst, reading, unmarked } from './groups.ts';

/** What happened, to which property, at which reading: "告警产生·水位 21.5 cm". */
export function eventWords(lang: Lang, event: CityEvent, kind: DeviceKind | undefined): string {
  const property = kind?.properties.find((p) => p.name === event.data.property);
  const value = typeof event.data.value === 'number' ? event.data.value : null;
  const what = nameOf(lang, property);
  const read = property && value !== null ? reading(lang, property, value) : '';
  const observed = read && read.toLowerCase() !== what.toLowerCase() ? `${what} ${read}` : what;
  const by = event.kind === 'alarm.acknowledged' && typeof event.data.by === 'string' ? event.data.by : '';
  return [nameOf(lang, event), observed, by].filter(Boolean).join('·');
}

/** The device, worker or case that an event is about; its own name where it is about none. */
export function eventTitle(lang: Lang, event: CityEvent, kind: DeviceKind | undefined): string {
  if (event.device) return kindFirst(unmarked(nameOf(lang, event.device.name)), nameOf(lang, kind)) || event.device.uid;
  const { number, title, title_en } = event.data;
  const told = typeof title === 'string' ? unmarked(nameOf(lang, { zh: title, en: typeof title_en === 'string' ? title_en : title })) : '';
  return [number, told].filter((word) => typeof word === 'string' && word).join(' ') || nameOf(lang, event);
}
