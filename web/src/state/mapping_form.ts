/** Turn a mapping into the fields of a form and back: pure. */
import type { Mapping, MessageField, MessageFields, PlaceSystem, TimeForm, Wrong } from '../api/sources_schema.ts';

export interface ValueFields {
  property: string;
  path: string;
  unit: string;
  factor: string;
  offset: string;
}

/** All as text, as it stands in the form; `items` is "" where the message is one item or itself the list. */
export interface MappingForm {
  items: string;
  device: string;
  prefix: string;
  devices: string;
  time: string;
  timeForm: TimeForm;
  zone: string;
  values: ValueFields[];
  moves: boolean;
  lon: string;
  lat: string;
  system: PlaceSystem;
}

export const emptyValue = (): ValueFields => ({ property: '', path: '', unit: '', factor: '', offset: '' });

export const emptyForm = (): MappingForm => ({ items: '', device: '', prefix: '', devices: '', time: '', timeForm: 'milliseconds', zone: '', values: [emptyValue()], moves: false, lon: '', lat: '', system: 'wgs84' });

export function formOf(mapping: Mapping): MappingForm {
  return {
    items: mapping.items ?? '',
    device: mapping.device,
    prefix: mapping.prefix ?? '',
    devices: Object.entries(mapping.devices ?? {}).map(([theirs, ours]) => `${theirs} = ${ours}`).join('\n'),
    time: mapping.time,
    timeForm: mapping.time_form ?? 'milliseconds',
    zone: mapping.zone ?? '',
    values: mapping.values.map((v) => ({ property: v.property, path: v.path, unit: v.unit ?? '', factor: v.factor === undefined || v.factor === 1 ? '' : String(v.factor), offset: v.offset ? String(v.offset) : '' })),
    moves: !!mapping.place,
    lon: mapping.place?.lon ?? '',
    lat: mapping.place?.lat ?? '',
    system: mapping.place?.system ?? 'wgs84',
  };
}

/** The lines of the table of numbers, and the first line that is none (from 1), 0 where all are. */
export function readDevices(text: string): { devices: Record<string, string>; bad: number } {
  const devices: [string, string][] = [];
  let bad = 0;
  text.split('\n').forEach((line, i) => {
    if (!line.trim()) return;
    const at = Math.max(line.lastIndexOf('='), line.lastIndexOf('\t'));
    const [theirs, ours] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 0 || !theirs || !ours) bad ||= i + 1;
    else devices.push([theirs, ours]);
  });
  // an object of its own: "__proto__" is a number like any other
  return { devices: Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(devices)), bad };
}

/** Whether text is a number, or nothing. */
export const isNumber = (text: string): boolean => !text.trim() || Number.isFinite(Number(text));

/** The mapping as the server takes it; what the form leaves empty is left out. */
export function mappingOf(form: MappingForm): Mapping {
  const { devices } = readDevices(form.devices);
  return {
    device: form.device.trim(),
    time: form.time.trim(),
    time_form: form.timeForm,
    values: form.values
      .filter((v) => v.property.trim() || v.path.trim())
      .map((v) => ({
        property: v.property.trim(),
        path: v.path.trim(),
        ...(v.unit.trim() && { unit: v.unit.trim() }),
        ...(v.factor.trim() && { factor: Number(v.factor) }),
        ...(v.offset.trim() && { offset: Number(v.offset) }),
      })),
    ...(form.items.trim() && { items: form.items.trim() }),
    ...(form.zone.trim() && { zone: form.zone.trim() }),
    ...(form.prefix.trim() && { prefix: form.prefix.trim() }),
    ...(Object.keys(devices).length && { devices }),
    ...(form.moves && { place: { lon: form.lon.trim(), lat: form.lat.trim(), system: form.system } }),
  };
}

/** Whether enough is filled in for it to be tried and saved. */
export function isWhole(form: MappingForm): boolean {
  const values = form.values.filter((v) => v.property.trim() || v.path.trim());
  const numbers = values.every((v) => isNumber(v.factor) && isNumber(v.offset));
  const place = !form.moves || (!!form.lon.trim() && !!form.lat.trim());
  return !!form.device.trim() && !!form.time.trim() && values.length > 0 && values.every((v) => v.property.trim() && v.path.trim()) && numbers && place && !readDevices(form.devices).bad;
}

/** The fields that a path can be chosen from: those of the items, or of the message where that is one item. */
export function offeredFields(found: MessageFields | null, items: string): MessageField[] {
  return (found?.fields ?? []).filter((field) => (items.trim() ? field.items === items.trim() : !field.items));
}

/** Which fields of the form something wrong is about, by the keys that `data-field` has there. */
export function wrongFields(form: MappingForm, wrong: Wrong[]): Set<string> {
  const at = new Set<string>();
  // rows without anything in them are not sent: the server counts the others
  const rows = form.values.map((v, i) => (v.property.trim() || v.path.trim() ? i : -1)).filter((i) => i >= 0);
  for (const one of wrong) {
    if (one.reason === 'mapping') {
      const [, row, member] = /^mapping\.values\[(\d+)\](?:\.(\w+))?/.exec(one.path) ?? [];
      if (row !== undefined) for (const name of member ? [member] : ['factor', 'offset']) at.add(`values.${rows[Number(row)]}.${name}`);
      else at.add(one.path.replace(/^mapping\.?/, '').replace(/^place\./, '').replace(/\[.*$/, ''));
      continue;
    }
    if (one.reason === 'wrong_unit' || one.reason === 'unknown_property') {
      form.values.forEach((v, i) => v.path.trim() === one.path && at.add(`values.${i}.${one.reason === 'wrong_unit' ? 'unit' : 'property'}`));
      continue;
    }
    for (const name of ['items', 'device', 'time'] as const) if (form[name].trim() === one.path && one.path) at.add(name);
    if (form.moves) for (const name of ['lon', 'lat'] as const) if (form[name].trim() === one.path && one.path) at.add(name);
    form.values.forEach((v, i) => v.path.trim() === one.path && one.path && at.add(`values.${i}.path`));
  }
  return at;
}
