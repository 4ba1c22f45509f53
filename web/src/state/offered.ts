/** The pages an account may open: pure. */
import type { Account } from '../api/access_schema.ts';
import type { Key } from '../i18n/index.ts';

export interface Offered {
  path: string;
  title: Key;
}

export function offered(account: Account | null): Offered[] {
  if (!account) return [];
  const pages: Offered[] = [];
  if (account.reads.includes('place')) pages.push({ path: '/wall', title: 'wall' });
  if (account.acts.includes('account.manage')) pages.push({ path: '/admin/accounts', title: 'accounts' });
  if (account.reads.includes('system') || account.acts.includes('device.manage')) pages.push({ path: '/admin/sources', title: 'sources' });
  if (account.reads.includes('audit')) pages.push({ path: '/admin/record', title: 'record' });
  return pages;
}
