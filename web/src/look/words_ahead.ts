/** Load the characters of what must be said when the server is gone, while it is there. */
import { say, type Key, type Lang } from '../i18n/index.ts';

const SAID_ALONE: Key[] = ['interrupted', 'stale', 'reconnecting', 'late', 'expired', 'noData', 'failed', 'noAnswer', 'contextLost', 'pageError', 'state_unknown', 'u_s', 'u_min', 'u_h', 'u_d'];

/** The font comes in slices, each with the first of its characters: too late for words about a lost connection. */
export function loadWordsAhead(lang: Lang, keys: Key[] = SAID_ALONE): void {
  const text = keys.map((key) => say(lang, key)).join('');
  for (const weight of [400, 700]) void document.fonts.load(`${weight} 1em "Noto Sans SC"`, text).catch(() => undefined);
}
