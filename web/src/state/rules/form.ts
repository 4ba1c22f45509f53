/** Turn a rule into the fields of a form and back, and say what is missing or wrong in them. Pure. */
import type { Condition, Polygons, RuleContent, RuleOptions, RuleProperty, RuleRow, RuleState } from '../../api/rules_schema.ts';
import { CONDITIONS, type NumberField } from './fields.ts';
import { SPAN_S, spanUnit, type SpanUnit } from './spans.ts';

/** All numbers as text, as they stand in the form; a time is text in a unit. */
export interface RuleForm {
  zh: string;
  en: string;
  state: RuleState;
  /** Code of the area; "" for everywhere. */
  area: string;
  kinds: string[];
  property: string;
  type: string;
  reach: 'above' | 'below';
  numbers: Record<string, string>;
  units: Record<string, SpanUnit>;
  choices: Record<string, string>;
  polygons: Polygons;
  /** Whose border the fence is; the server takes the polygons from it. */
  border: { area: string | null; compound: number | null };
  /** Kind of the cases its alarms raise; "" as the kind of device says. */
  category: string;
  /** Kinds that are counted. */
  of: string[];
  /** A condition of a type that this page has no form for: it is kept as it is. */
  unknown: Condition | null;
}

const spanText = (seconds: number): [string, SpanUnit] => {
  const unit = spanUnit(seconds);
  return [String(seconds / SPAN_S[unit]), unit];
};

/** The same rule with a condition of another type; what both have stays as it was typed. */
export function withType(form: RuleForm, type: string): RuleForm {
  const shape = CONDITIONS[type];
  const made = { ...form, type, unknown: null, numbers: { ...form.numbers }, units: { ...form.units }, choices: { ...form.choices } };
  for (const field of shape?.numbers ?? []) {
    if (made.numbers[field.name] !== undefined) continue;
    const [text, unit] = field.unit === 'span' && field.start ? spanText(Number(field.start)) : [field.start, 's' as const];
    made.numbers[field.name] = text;
    if (field.unit === 'span') made.units[field.name] = unit;
  }
  for (const field of shape?.choices ?? []) made.choices[field.name] ||= field.of[0] ?? 'usual';
  if (shape?.counts) Object.assign(made, { kinds: [shape.counts.kind], property: shape.counts.property });
  else {
    // what only the server makes is nothing for another condition
    if (CONDITIONS[form.type]?.counts) made.kinds = [];
    if (shape?.property === 'none' || CONDITIONS[form.type]?.counts) made.property = '';
  }
  return made;
}

export function emptyForm(): RuleForm {
  const bare: RuleForm = { zh: '', en: '', state: 'alarm', area: '', kinds: [], property: '', type: 'limit', reach: 'above', numbers: {}, units: {}, choices: {}, polygons: [], border: { area: null, compound: null }, category: '', of: [], unknown: null };
  return withType(bare, 'limit');
}

export function contentOfRow(row: RuleRow): RuleContent {
  return { zh: row.zh, en: row.en, state: row.state, area: row.area?.code ?? null, kinds: row.kinds, property: row.property, condition: row.condition, category_code: row.category_code };
}

export function formOf(content: RuleContent): RuleForm {
  const { condition } = content;
  const shape = CONDITIONS[condition.type];
  const form: RuleForm = { ...emptyForm(), zh: content.zh, en: content.en, state: content.state, area: content.area ?? '', kinds: [...content.kinds], property: content.property ?? '', category: content.category_code ?? '', type: condition.type, numbers: {}, units: {}, choices: {} };
  if (!shape) return { ...form, unknown: condition };
  if (shape.sided) form.reach = condition.above === null || condition.above === undefined ? 'below' : 'above';
  for (const field of shape.numbers) {
    const value = condition[field.name === 'reach' ? form.reach : field.name];
    if (typeof value !== 'number') form.numbers[field.name] = '';
    else if (field.unit === 'span') [form.numbers[field.name], form.units[field.name]] = spanText(value);
    else form.numbers[field.name] = String(value);
    if (field.unit === 'span') form.units[field.name] ??= 's';
  }
  for (const field of shape.choices) form.choices[field.name] = String(condition[field.name] ?? '');
  if (shape.polygons) {
    form.polygons = (condition.polygons ?? []) as Polygons;
    form.border = { area: (condition.area ?? null) as string | null, compound: (condition.compound ?? null) as number | null };
  }
  if (shape.counts) form.of = [...(condition.of as string[])];
  return form;
}

/** Whether a field is asked for, as the choices stand. */
export const isAsked = (form: RuleForm, field: NumberField): boolean => !field.where || form.choices[field.where[0]] === field.where[1];

/** What a field says, in the unit it is kept in: seconds for a time; null where it is empty, NaN where it is no number. */
export function valueOf(form: RuleForm, field: NumberField): number | null {
  const text = (form.numbers[field.name] ?? '').trim().replace('−', '-');
  if (!text) return null;
  // Number() reads more than people mean by a number: "0x10", "1e999"
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  // without the noise of a product of floats: 0.1 h is 360 s
  return field.unit === 'span' && Number.isFinite(value) ? Number((value * SPAN_S[form.units[field.name] ?? 's']).toPrecision(15)) : value;
}

/** The condition as the server takes it, every field named; what is not asked for is null. */
export function conditionOf(form: RuleForm): Condition {
  const shape = CONDITIONS[form.type];
  if (form.unknown || !shape) return form.unknown ?? { type: form.type };
  const condition: Condition = { type: form.type };
  for (const field of shape.numbers) {
    const value = isAsked(form, field) ? valueOf(form, field) : null;
    if (field.name !== 'reach') condition[field.name] = value;
    else for (const side of ['above', 'below']) condition[side] = side === form.reach ? value : null;
  }
  for (const field of shape.choices) condition[field.name] = form.choices[field.name];
  if (shape.polygons) Object.assign(condition, form.border, { polygons: form.polygons });
  if (shape.counts) condition.of = [...form.of];
  return condition;
}

export function contentOf(form: RuleForm): RuleContent {
  return { zh: form.zh.trim(), en: form.en.trim(), state: form.state, area: form.area || null, kinds: [...form.kinds], property: form.property || null, condition: conditionOf(form), category_code: form.category || null };
}

/** The properties that the chosen kinds have, or any kind where none is chosen; by name. */
export function propertiesOf(form: Pick<RuleForm, 'kinds'>, options: RuleOptions | null): RuleProperty[] {
  const found = new Map<string, RuleProperty>();
  for (const kind of options?.kinds ?? []) if (!form.kinds.length || form.kinds.includes(kind.name)) for (const one of kind.properties) if (!found.has(one.name)) found.set(one.name, one);
  return [...found.values()];
}

export type Fault = 'empty' | 'number' | 'whole' | 'least' | 'most' | 'property' | 'polygons';

/** What stands in the way of saving and trying, by field; the server checks all of it again. */
export function faultsOf(form: RuleForm, options: RuleOptions | null): Map<string, Fault> {
  const faults = new Map<string, Fault>();
  if (!form.zh.trim()) faults.set('zh', 'empty');
  if (!form.en.trim()) faults.set('en', 'empty');
  const shape = CONDITIONS[form.type];
  if (!shape) return faults;
  if (shape.property === 'needed' && !form.property) faults.set('property', 'empty');
  else if (form.property && options && !propertiesOf(form, options).some((one) => one.name === form.property)) faults.set('property', 'property');
  for (const field of shape.numbers) {
    if (!isAsked(form, field)) continue;
    const value = valueOf(form, field);
    if (value === null) {
      if (!field.optional) faults.set(field.name, 'empty');
    } else if (!Number.isFinite(value)) faults.set(field.name, 'number');
    else if (value < field.least) faults.set(field.name, 'least');
    else if (value > field.most) faults.set(field.name, 'most');
    else if (field.whole && !Number.isInteger(value)) faults.set(field.name, 'whole');
  }
  if (shape.counts && !form.of.length) faults.set('of', 'empty');
  if (shape.polygons && !form.polygons.length && form.border.area === null && form.border.compound === null) faults.set('polygons', 'polygons');
  return faults;
}

export const sameContent = (a: RuleContent, b: RuleContent): boolean => canonical(a) === canonical(b);

/** JSON with the keys in order: the server may name them in another. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (inner && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner));
}
export { canonical };
