/** Read the code of an area as people write it: pure. */

export type AreaLevel = 'whole' | 'city' | 'district' | 'street' | 'community' | 'responsibility_grid';

export const WHOLE_CODE = '000000000000000';

/** Digits that name each level, after which there are zeros. */
const LEVELS: [AreaLevel, number][] = [
  ['city', 4],
  ['district', 6],
  ['street', 9],
  ['community', 12],
  ['responsibility_grid', 15],
];

/** The full code of 15 digits and its level; null while it is none. Codes of 6, 9 and 12 digits are in daily use. */
export function readAreaCode(text: string): { code: string; level: AreaLevel } | null {
  const digits = text.replace(/\s/g, '');
  if (!/^(\d{4}|\d{6}|\d{9}|\d{12}|\d{15})$/.test(digits)) return null;
  const code = digits.padEnd(15, '0');
  if (code === WHOLE_CODE) return { code, level: 'whole' };
  for (const [level, length] of LEVELS) if (/^0*$/.test(code.slice(length))) return { code, level };
  return null;
}

/** 51 01 04 021 000 000 is easier to compare than fifteen digits in a row. */
export function spacedCode(code: string): string {
  return code.replace(/^(\d{6})(\d{3})(\d{3})(\d{3})$/, '$1 $2 $3 $4');
}
