/** The pages an account may open: pure. */
import type { Account } from '../api/access_schema.ts';
import type { Key } from '../i18n/index.ts';

export interface Offered {
  path: string;
  title: Key;
  /** What it is for, and the word that leads there. */
  text: Key;
  open: Key;
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
  if (account.acts.includes('case.handle') && !decides) pages.push({ path: '/tasks', title: 'tasks', text: 'tasksText', open: 'openTasks' });
  if (account.reads.includes('place')) pages.push({ path: '/wall', title: 'wall', text: 'indexWall', open: 'openWall' });
  // whoever decides what becomes of cases; workers have their own part of them
  if (account.reads.includes('case') && decides) pages.push({ path: '/desk', title: 'desk', text: 'deskText', open: 'openDesk' });
  // whoever sits at the desk may ask why something alarms
  if (account.reads.includes('alarm') && [...DESK_ACTS, 'rule.manage'].some((act) => account.acts.includes(act))) pages.push({ path: '/rules', title: 'rules', text: 'rulesText', open: 'openRules' }, { path: '/maintenance', title: 'maintenance', text: 'maintenanceText', open: 'openMaintenance' });
  if (account.acts.includes('account.manage')) pages.push({ path: '/admin/accounts', title: 'accounts', text: 'accountsText', open: 'openAccounts' });
  if (account.reads.includes('system') || account.acts.includes('device.manage')) pages.push({ path: '/admin/sources', title: 'sources', text: 'sourcesText', open: 'openSources' });
  if (account.reads.includes('audit')) pages.push({ path: '/admin/record', title: 'record', text: 'recordText', open: 'openRecord' });
  return pages;
}
