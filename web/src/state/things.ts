/** Say what is kept of things without readings (components, networks, compounds) as labelled facts: pure. */
import type { ComponentDetail, CompoundDetail, LineDetail, NodeDetail, Word } from '../api/things_schema.ts';
import { nameOf, number, type Key, type Lang } from '../i18n/index.ts';

export const THING_PATHS = {
  component: '/api/components',
  network_line: '/api/networks/lines',
  network_node: '/api/networks/nodes',
  compound: '/api/compounds',
} as const;
export type ThingType = keyof typeof THING_PATHS;

/** The layer of the map that shows it, which is also the name of its shape. */
export const LAYER_OF = { component: 'component', network_line: 'network', network_node: 'network', compound: 'compound' } as const;

export type Thing =
  | { type: 'component'; of: ComponentDetail }
  | { type: 'network_line'; of: LineDetail }
  | { type: 'network_node'; of: NodeDetail }
  | { type: 'compound'; of: CompoundDetail };

export interface Fact {
  label: Key;
  note?: string;
  value: string;
}

type T = (key: Key, ...args: (string | number)[]) => string;

export function isThing(type: string): type is ThingType {
  return Object.hasOwn(THING_PATHS, type);
}

const word = (lang: Lang, w: Word | null) => (w ? nameOf(lang, w.name) || w.code : '');

/** Whether it can be shut by hand: then one asks who hangs on it. */
export const closable = (node: NodeDetail): boolean => node.kind === 'valve' || node.kind === 'switch';

export function thingTitle(lang: Lang, t: T, thing: Thing): string {
  if (thing.type === 'component') return thing.of.name;
  if (thing.type === 'compound') return nameOf(lang, thing.of.name);
  const { of } = thing;
  const utility = nameOf(lang, of.utility_name);
  const kind = thing.type === 'network_node' ? nameOf(lang, thing.of.kind_name) : t('pipe');
  const named = nameOf(lang, of.name);
  return [named || kind, utility].join('·');
}

/** What is known, in the order in which one asks; what is not known is left out. */
export function facts(lang: Lang, t: T, thing: Thing): Fact[] {
  const known: (Fact | false)[] = [];
  const put = (label: Key, value: string | null | undefined, note?: string) => known.push(!!value && { label, value, note });
  if (thing.type === 'component') {
    const c = thing.of;
    put('componentCode', c.code);
    put('componentClass', word(lang, c.component_class), word(lang, c.major_class));
    put('department', c.department.name ?? c.department.code, c.department.name ? c.department.code ?? '' : '');
    put('owner', c.owner.name ?? c.owner.code, c.owner.name ? c.owner.code ?? '' : '');
    put('maintainer', c.maintainer.name ?? c.maintainer.code, c.maintainer.name ? c.maintainer.code ?? '' : '');
    put('installedOn', c.installed_on);
    put('changedOn', c.changed_on);
    put('dataSource', word(lang, c.data_source));
    put('remark', c.note);
    put('unitGrid', c.area?.unit_grid?.code);
    put('area_street', nameOf(lang, c.street?.name), c.street?.code?.slice(0, 9));
    put('area_community', nameOf(lang, c.area?.community?.name), c.area?.community?.code?.slice(0, 12));
  } else if (thing.type === 'compound') {
    const c = thing.of;
    put('propertyCompany', c.property_company);
    put('householdsWord', number(c.households), c.households_source === 'estimated' ? t('estimated') : undefined);
    put('building', number(c.buildings));
    put('devicesIn', number(c.devices));
    put('area_community', nameOf(lang, c.area?.community?.name));
  } else {
    const n = thing.of;
    put('owner', n.owner);
    put('laidYear', n.laid_year === null ? '' : String(n.laid_year));
    if (thing.type === 'network_line') {
      put('grade', thing.of.grade);
      put('diameter', thing.of.diameter_mm === null ? '' : `${number(thing.of.diameter_mm)} mm`);
      put('material', thing.of.material);
      put('length', `${number(thing.of.length_m, thing.of.length_m < 100 ? 1 : 0)} m`);
    } else {
      if (closable(thing.of)) put('usually', t(thing.of.passes ? 'passes' : 'shut'));
      put('linesHere', number(thing.of.lines));
      put('servesHere', thing.of.buildings ? number(thing.of.buildings) : '');
    }
  }
  return known.filter((fact) => fact !== false);
}
