/** The pages an account may open: pure. */
import type { Account } from '../api/access_schema.ts';
import type { Key } from '../i18n/index.ts';

export interface Offered {
  path: string;
  title: Key;
}

const DESK_ACTS = ['case.file', 'case.dispatch', 'case.check', 'case.approve'];

/** Where somebody begins after signing in: who works on what is given to them, with that. */
export function homeOf(account: Account | null): string {
  return offered(account)[0]?.path === '/tasks' ? '/tasks' : '/';
}

export function offered(account: Account | null): Offered[] {
  if (!account) return [];
  const pages: Offered[] = [];
  const decides = DESK_ACTS.some((act) => account.acts.includes(act));
  // the staff of a department or company: what is given to them, and what they do with it
  if (account.acts.includes('case.handle') && !decides) pages.push({ path: '/tasks', title: 'tasks' });
  if (account.reads.includes('place')) pages.push({ path: '/wall', title: 'wall' });
  // whoever decides what becomes of cases; workers have their own part of them
  if (account.reads.includes('case') && decides) pages.push({ path: '/desk', title: 'desk' });
  // whoever sits at the desk may ask why something alarms
  if (account.reads.includes('alarm') && [...DESK_ACTS, 'rule.manage'].some((act) => account.acts.includes(act))) pages.push({ path: '/rules', title: 'rules' }, { path: '/maintenance', title: 'maintenance' });
  if (account.acts.includes('account.manage')) pages.push({ path: '/admin/accounts', title: 'accounts' });
  if (account.reads.includes('system') || account.acts.includes('device.manage')) pages.push({ path: '/admin/sources', title: 'sources' });
  if (account.reads.includes('audit')) pages.push({ path: '/admin/record', title: 'record' });
  return pages;
}
