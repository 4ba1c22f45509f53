/** Say in short what a case in a queue is: its mark, its number, where it comes from: pure. */
import type { QueueRow } from '../../api/case_schema.ts';
import { isKey, type Key } from '../../i18n/index.ts';

type Say = (key: Key, ...args: (string | number)[]) => string;

const SOURCE_SHAPES: Record<string, string> = { sensor: 'case', patrol: 'patrol', camera: 'video', resident: 'resident', hotline: 'hotline', superior: 'superior', department: 'department' };

/** The shape of its worst open alarm, else of its source. */
export function iconOf(row: Pick<QueueRow, 'state' | 'source'>): string {
  return row.state ?? SOURCE_SHAPES[row.source ?? ''] ?? 'case';
}

/** A number without the year, which the eye need not read in each row. */
export function shortNumber(number: string): string {
  return /^(?:[A-Z]+-)?\d{4}(\d{4}-\d+)$/.exec(number)?.[1] ?? number;
}

export function sourceWords(t: Say, source: string): string {
  const key = `source_${source}`;
  return isKey(key) ? t(key) : source;
}

/** The source, with how many sensors say so. */
export function originOf(t: Say, row: Pick<QueueRow, 'source' | 'alarms'>): string {
  const source = sourceWords(t, row.source ?? '');
  return row.alarms ? `${row.source === 'sensor' ? source : `${source}·${t('source_sensor')}`} ${row.alarms}` : source;
}
