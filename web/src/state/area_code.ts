/** Write the code of an area as people read it: pure. */

export const WHOLE_CODE = '000000000000000';

/** 51 01 04 021 000 000 is easier to compare than fifteen digits in a row. */
export function spacedCode(code: string): string {
  return code.replace(/^(\d{6})(\d{3})(\d{3})(\d{3})$/, '$1 $2 $3 $4');
}
