/** Keep what is typed about a new case until it is filed; who reported it is never kept: pure but for the storage given. */
import type { NewCase } from '../../api/case_schema.ts';

export interface ReportDraft {
  category_code: string;
  title: string;
  description: string;
  lon: number | null;
  lat: number | null;
  address: string;
  source: string;
  priority: number | null;
  /** Sent with each try, so that one case comes of it. */
  client_key: string;
}

const KEPT_AS = 'desk.report';

export const SOURCES = ['hotline', 'resident', 'patrol', 'camera', 'superior', 'department'];

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export function emptyReport(key: string): ReportDraft {
  return { category_code: '', title: '', description: '', lon: null, lat: null, address: '', source: 'hotline', priority: null, client_key: key };
}

/** The draft that was left here; null where there is none, or none that can be read. */
export function keptReport(store: Store): ReportDraft | null {
  try {
    const kept = JSON.parse(store.getItem(KEPT_AS) ?? 'null') as Partial<ReportDraft> | null;
    return kept && typeof kept.client_key === 'string' ? { ...emptyReport(kept.client_key), ...kept } : null;
  } catch {
    return null;
  }
}

export function keepReport(store: Store, draft: ReportDraft): void {
  const { category_code, title, description, lon, lat, address, source, priority, client_key } = draft;
  try {
    store.setItem(KEPT_AS, JSON.stringify({ category_code, title, description, lon, lat, address, source, priority, client_key }));
  } catch {
    // a full or forbidden store keeps nothing; the form itself still holds it
  }
}

export function dropReport(store: Store): void {
  store.removeItem(KEPT_AS);
}

/** What is missing before it can be sent. */
export function missingOf(draft: ReportDraft): ('category_code' | 'description' | 'place')[] {
  return [...(/^\d{5}$/.test(draft.category_code) ? [] : (['category_code'] as const)), ...(draft.description.trim() ? [] : (['description'] as const)), ...(draft.lon === null || draft.lat === null ? (['place'] as const) : [])];
}

/** The draft as it is sent, with who reported it. */
export function toSend(draft: ReportDraft, reporter: { name: string; phone: string }): NewCase {
  const said = { ...(reporter.name.trim() ? { name: reporter.name.trim() } : {}), ...(reporter.phone.trim() ? { phone: reporter.phone.trim() } : {}) };
  return {
    category_code: draft.category_code,
    description: draft.description.trim(),
    lon: draft.lon!,
    lat: draft.lat!,
    source: draft.source,
    client_key: draft.client_key,
    ...(draft.title.trim() ? { title: draft.title.trim() } : {}),
    ...(draft.address.trim() ? { address: draft.address.trim() } : {}),
    ...(draft.priority !== null ? { priority: draft.priority } : {}),
    ...(Object.keys(said).length ? { reporter: said } : {}),
  };
}
