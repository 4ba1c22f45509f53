/** Order what a trial found for the strip of time, the list and the map. Pure. */
import type { Episode, RuleTrial } from '../../api/rules_schema.ts';

/** How many episodes begin in each part of the time that was asked for. */
export function bins(trial: Pick<RuleTrial, 'from' | 'to' | 'episodes'>, count: number): number[] {
  const [from, to] = [Date.parse(trial.from), Date.parse(trial.to)];
  const found = new Array<number>(count).fill(0);
  for (const episode of trial.episodes) {
    const i = Math.floor(((Date.parse(episode.from) - from) / (to - from)) * count);
    if (i >= 0 && i <= count) found[Math.min(i, count - 1)] += 1;
  }
  return found;
}

/** A device with its episodes; `at` are their places in the list. */
export interface DeviceEpisodes {
  id: number;
  lon: number;
  lat: number;
  at: number[];
}

/** The episodes by device, the device with most of them first. */
export function byDevice(episodes: Episode[]): DeviceEpisodes[] {
  const found = new Map<number, DeviceEpisodes>();
  for (const [i, episode] of episodes.entries()) {
    const held = found.get(episode.device_id);
    if (held) held.at.push(i);
    else found.set(episode.device_id, { id: episode.device_id, lon: episode.lon, lat: episode.lat, at: [i] });
  }
  return [...found.values()].sort((a, b) => b.at.length - a.at.length);
}

/** How long an episode lasted, s; up to the end of what was covered where it had not ended. */
export function lastedS(episode: Episode, trial: Pick<RuleTrial, 'covered_to'>): number {
  return Math.max(0, (Date.parse(episode.to ?? trial.covered_to) - Date.parse(episode.from)) / 1000);
}

/** One language of a text that the server says in both, "中文 / English". */
export function inOne(lang: 'zh' | 'en', text: string): string {
  const parts = text.split(' / ');
  return parts.length === 2 && /\p{Script=Han}/u.test(parts[0]) ? parts[lang === 'zh' ? 0 : 1] : text;
}
