/** Let the clocks of cases run on between two answers of the server: pure. */
import type { CaseClock, ClockUnit } from '../../api/case_schema.ts';
import type { Key } from '../../i18n/index.ts';

type Say = (key: Key, ...args: (string | number)[]) => string;

/** Seconds a clock has left now, negative when over; told by the server at `readMs`, both by the server's clock. */
export function leftNow(clock: CaseClock, readMs: number, nowMs: number): number {
  const turn = clock.changes_at === null ? Infinity : Date.parse(clock.changes_at);
  // it counts until its calendar turns, or from then on
  const counted = clock.runs ? Math.min(nowMs, turn) - readMs : nowMs - Math.max(turn, readMs);
  return clock.left_s - Math.max(0, counted) / 1000;
}

/** Whether a clock counts now. */
export function runsNow(clock: CaseClock, nowMs: number): boolean {
  const turned = clock.changes_at !== null && nowMs >= Date.parse(clock.changes_at);
  return clock.runs !== turned;
}

export function hourMinute(seconds: number): string {
  const minutes = Math.floor(Math.abs(seconds) / 60);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

export type Pace = 'over' | 'soon' | 'held' | 'normal';

/** How a clock stands at a time, by the server's clock as all of them. */
export function pace(clock: CaseClock, leftS: number, parked: boolean, nowMs: number): Pace {
  if (parked) return 'held';
  if (leftS < 0) return 'over';
  return clock.warns_at !== null && nowMs >= Date.parse(clock.warns_at) ? 'soon' : 'normal';
}

/** What is left, h:mm, with the word that says it is over or held. */
export function clockWords(t: Say, clock: CaseClock | null, leftS: number, parked: boolean): string {
  if (!clock) return t('noLimit');
  if (parked) return t('stopped', hourMinute(leftS));
  return leftS < 0 ? t('over', hourMinute(leftS)) : hourMinute(leftS);
}

/** An amount in its unit: 0:15, 4:00, 2 日. */
export function amountWords(t: Say, amount: number, unit: ClockUnit): string {
  return unit === 'working_days' ? t('deskDays', amount) : hourMinute(amount * 3600);
}

export function counts(unit: ClockUnit): Key {
  return unit === 'hours' ? 'countsClock' : 'countsWorking';
}
