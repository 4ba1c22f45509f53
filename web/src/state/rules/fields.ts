/** Say which fields each type of condition has, with unit and range: the form and its checks are made of this. */

import type { Named } from '../../i18n/index.ts';

/** Types that have a name and say what they are about. */
export type ConditionType = Named<'ru_type'> & Named<'ru_about'>;

export interface NumberField {
  /** It has a name and a help. */
  name: Named<'rf'> & Named<'rh'>;
  /** `property`: the unit of what is judged; `span`: a time, kept in seconds; else the unit itself. */
  unit: 'property' | 'span' | 'm' | 'd' | '';
  least: number;
  most: number;
  /** Text of a new rule; "" for nothing. */
  start: string;
  whole?: boolean;
  optional?: boolean;
  /** Only where a choice has this value. */
  where?: [choice: string, value: string];
}

export interface ChoiceField {
  name: Named<'rf'>;
  of: readonly Named<'rc'>[];
}

export interface ConditionForm {
  /** Whether it reaches a number from below or from above: exactly one of `above` and `below` is sent. */
  sided: boolean;
  property: 'needed' | 'optional' | 'none';
  polygons: boolean;
  /** It counts kinds that move, and is itself about what the server makes of them. */
  counts?: { kind: string; property: string };
  choices: ChoiceField[];
  numbers: NumberField[];
}

const WEEK_S = 7 * 86_400;
const SIDED: NumberField[] = [
  { name: 'reach', unit: 'property', least: -1e12, most: 1e12, start: '' },
  { name: 'hysteresis', unit: 'property', least: 0, most: 1e12, start: '0' },
  { name: 'hold_s', unit: 'span', least: 0, most: WEEK_S, start: '60' },
];

const FORMS: Record<ConditionType, ConditionForm> = {
  limit: { sided: true, property: 'needed', polygons: false, choices: [], numbers: SIDED },
  rate: {
    sided: true,
    property: 'needed',
    polygons: false,
    choices: [],
    numbers: [SIDED[0], { name: 'per_s', unit: 'span', least: 1, most: WEEK_S, start: '60' }, { name: 'window_s', unit: 'span', least: 1, most: 21_600, start: '600' }, SIDED[1], { ...SIDED[2], start: '0' }],
  },
  silence: { sided: false, property: 'optional', polygons: false, choices: [], numbers: [{ name: 'after_s', unit: 'span', least: 10, most: WEEK_S, start: '3600' }] },
  learned: {
    sided: false,
    property: 'needed',
    polygons: false,
    // what is offered for `parameters` is told by the server
    choices: [{ name: 'parameters', of: [] }, { name: 'side', of: ['both', 'above', 'below'] }],
    numbers: [{ name: 'score', unit: '', least: 0.1, most: 100, start: '', optional: true }],
  },
  fence: {
    sided: false,
    property: 'none',
    polygons: true,
    choices: [{ name: 'when', of: ['enter', 'leave', 'dwell'] }],
    numbers: [
      { name: 'dwell_s', unit: 'span', least: 10, most: 86_400, start: '600', where: ['when', 'dwell'] },
      { name: 'radius_m', unit: 'm', least: 5, most: 10_000, start: '', optional: true, where: ['when', 'dwell'] },
      { name: 'margin_m', unit: 'm', least: 0, most: 1_000, start: '10' },
      { name: 'worst_accuracy_m', unit: 'm', least: 1, most: 1_000, start: '50' },
      { name: 'fixes', unit: '', least: 1, most: 20, start: '2', whole: true },
      { name: 'seconds', unit: 'span', least: 0, most: 3_600, start: '0' },
      { name: 'gap_s', unit: 'span', least: 10, most: 86_400, start: '900' },
    ],
  },
  density: {
    sided: false,
    property: 'none',
    polygons: false,
    counts: { kind: 'gathering', property: 'excess' },
    choices: [],
    numbers: [
      { name: 'at_least', unit: '', least: 5, most: 1_000_000, start: '10', whole: true },
      { name: 'surprise', unit: '', least: 1, most: 50, start: '6' },
      { name: 'hold_s', unit: 'span', least: 0, most: 3_600, start: '120' },
      { name: 'quiet_s', unit: 'span', least: 60, most: 86_400, start: '300' },
      { name: 'resolution', unit: '', least: 7, most: 11, start: '10', whole: true },
      { name: 'ring', unit: '', least: 0, most: 1, start: '0', whole: true },
      { name: 'learn_days', unit: 'd', least: 1, most: 30, start: '3' },
      { name: 'fresh_s', unit: 'span', least: 30, most: 3_600, start: '300' },
    ],
  },
};

/** By the type as the server tells it, which may be none of these. */
export const CONDITIONS: Record<string, ConditionForm> = FORMS;
export const CONDITION_TYPES = Object.keys(FORMS) as ConditionType[];
