/** Find accounts, and say why an act on one was refused: pure. */
import { ApiError } from '../api/client.ts';
import type { AccountRow, HeldRole, Role } from '../api/access_schema.ts';
import { say, nameOf, type Key, type Lang } from '../i18n/index.ts';
import { WHOLE_CODE, spacedCode } from './area_code.ts';

/** Accounts in which every word of a search occurs: in name, display name, kind, role or area. */
export function matching(rows: AccountRow[], roles: Role[], search: string): AccountRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return rows;
  return rows.filter((row) => {
    const titles = row.held.flatMap((held) => {
      const title = roles.find((role) => role.name === held.role)?.title;
      return [held.role, title?.zh, title?.en, held.area_code, held.area_name?.zh, held.area_name?.en];
    });
    const text = [row.name, row.display_name, say('zh', `kind_${row.kind}`), say('en', `kind_${row.kind}`), ...titles].filter(Boolean).join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export function areaOf(lang: Lang, held: HeldRole): string {
  if (held.area_code === WHOLE_CODE) return say(lang, 'whole');
  return nameOf(lang, held.area_name) || spacedCode(held.area_code);
}

export function roleTitle(lang: Lang, roles: Role[], name: string): string {
  return nameOf(lang, roles.find((role) => role.name === name)?.title) || name;
}

/** Roles beside those that are held: duties of different kinds are kept apart, and machines hold only their own. */
export function givable(roles: Role[], row: AccountRow): Role[] {
  const duties = new Set(row.held.map((held) => roles.find((role) => role.name === held.role)?.duty));
  return roles.filter((role) => (row.kind === 'kiosk') === (role.duty === 'machine') && (duties.size === 0 || duties.has(role.duty)));
}

/** Whether signing in asks for a code: connected, at the next sign-in, or not at all. */
export function factor(row: AccountRow, roles: Role[]): 'factorOn' | 'factorDue' | 'factorNone' {
  if (row.second_factor) return 'factorOn';
  return row.held.some((held) => roles.find((role) => role.name === held.role)?.privileged) ? 'factorDue' : 'factorNone';
}

/** Why an act was refused, where the page has words for it. */
export function refusal(problem: unknown): Key | null {
  if (!(problem instanceof ApiError)) return null;
  const { status, where, detail } = problem;
  if (status === 404) return 'bad_gone';
  if (status === 403) return 'bad_forbidden';
  if (status === 409) return where === 'role' ? 'bad_duties' : 'bad_nameTaken';
  if (status !== 422) return null;
  if (/own account/.test(detail)) return 'bad_self';
  if (where === 'area') return /grid worker/.test(detail) ? 'bad_workerArea' : 'bad_area';
  return where.endsWith('name') ? 'bad_name' : null;
}
