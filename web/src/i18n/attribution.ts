/** Name the sources of the map in the language of the page. */
import type { Lang } from './index.ts';

const OPENSTREETMAP: Record<Lang, string> = { zh: '© OpenStreetMap 贡献者，ODbL', en: '© OpenStreetMap contributors, ODbL' };

/** OpenStreetMap as its licence asks for it, once; every other source as it is named. */
export function attributionIn(lang: Lang, attribution: string): string {
  const parts = attribution
    .split(/\s*[·|;]\s*/)
    .filter(Boolean)
    .map((part) => (/openstreetmap/i.test(part) ? OPENSTREETMAP[lang] : part));
  return [...new Set(parts)].join(' · ');
}
