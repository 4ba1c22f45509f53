import { describe, expect, it } from 'vitest';
import { ApiError } from '../../src/api/client.ts';
import type { Account, AccountRow, Role } from '../../src/api/access_schema.ts';
import type { Names } from '../../src/api/schema.ts';
import { areaOf, factor, givable, matching, refusal } from '../../src/state/account_list.ts';
import { spacedCode, WHOLE_CODE } from '../../src/state/area_code.ts';
import { homeOf, offered } from '../../src/state/offered.ts';

const role = (name: string, zh: string, en: string, duty: Role['duty'], privileged = false): Role => ({ name, title: { zh, en }, duty, privileged, reads: [], acts: [] });
const ROLES = [role('operator', '值班员', 'Operator', 'business'), role('dispatcher', '派遣员', 'Dispatcher', 'business', true), role('auditor', '安全审计员', 'Auditor', 'audit', true), role('wall', '大屏', 'Wall screen', 'machine')];
const row = (name: string, part: Partial<AccountRow> = {}): AccountRow => ({ id: name, name, display_name: name, kind: 'person', demo: false, disabled: false, locked: false, second_factor: false, held: [], ...part });
const held = (name: string, area_code = WHOLE_CODE, area_name: Names | null = null) => ({ id: 1, role: name, area_code, area_level: 'street', area_name });
const STREET = '510104021000000';

describe('accounts', () => {
  const li = row('li', { display_name: '李敏', held: [held('operator', STREET, { zh: '西御河街道', en: null })] });
  const hall = row('hall', { kind: 'kiosk', display_name: '大厅', held: [held('wall')] });

  it('finds every word in name, role and area, in both languages', () => {
    const found = (search: string) => matching([li, hall], ROLES, search).map((r) => r.name);
    expect([found(''), found('李'), found('operator 西御河'), found('Wall SCREEN'), found('人员'), found('li nobody')]).toEqual([['li', 'hall'], ['li'], ['li'], ['hall'], ['li'], []]);
  });

  it('offers roles of the duty that is held only, and of machines to screens only', () => {
    const names = (r: AccountRow) => givable(ROLES, r).map((x) => x.name);
    expect(names(row('new'))).toEqual(['operator', 'dispatcher', 'auditor']);
    expect(names(li)).toEqual(['operator', 'dispatcher']);
    expect(names(row('screen', { kind: 'kiosk' }))).toEqual(['wall']);
  });

  it('says when a code will be asked for', () => {
    expect([factor(li, ROLES), factor(row('a', { held: [held('dispatcher')] }), ROLES), factor(row('b', { second_factor: true }), ROLES)]).toEqual(['factorNone', 'factorDue', 'factorOn']);
  });

  it('names areas, and those without a name by code', () => {
    expect([areaOf('zh', held('wall')), areaOf('zh', li.held[0]), areaOf('zh', held('operator', STREET))]).toEqual(['全部区域', '西御河街道', '510104 021 000 000']);
    const named = held('operator', STREET, { zh: '西御河街道', en: 'Xiyuhe Subdistrict' });
    expect([areaOf('en', named), areaOf('en', li.held[0]), areaOf('zh', named)]).toEqual(['Xiyuhe Subdistrict', '西御河街道', '西御河街道']);
  });

  it('writes codes so that they can be compared', () => expect(spacedCode(STREET)).toBe('510104 021 000 000'));

  it('has words for what the API refuses', () => {
    const why = (status: number, where: string, detail = '') => refusal(new ApiError({ title: '', status, where, detail }));
    expect(why(409, 'role')).toBe('bad_duties');
    expect(why(409, 'name')).toBe('bad_nameTaken');
    expect(why(422, 'area', 'there is no present area 1')).toBe('bad_area');
    expect(why(422, 'area', 'a grid worker belongs to an area')).toBe('bad_workerArea');
    expect(why(422, 'name', 'nobody closes the own account')).toBe('bad_self');
    expect(why(422, 'body.name')).toBe('bad_name');
    expect([why(404, ''), why(403, ''), why(500, ''), refusal(new TypeError('x'))]).toEqual(['bad_gone', 'bad_forbidden', null, null]);
  });
});

describe('offered', () => {
  const account = (reads: string[], acts: string[] = []) => ({ reads, acts }) as unknown as Account;

  it('leads only to what the account may open', () => {
    const paths = (a: Account | null) => offered(a).map((p) => p.path);
    expect(paths(null)).toEqual([]);
    expect(paths(account(['place', 'alarm'], ['alarm.acknowledge']))).toEqual(['/wall']);
    expect(paths(account(['place', 'alarm'], ['rule.manage']))).toEqual(['/wall', '/rules', '/maintenance']);
    expect(paths(account(['place'], ['case.handle', 'case.note']))).toEqual(['/tasks', '/wall']);
    expect(paths(account(['place', 'alarm', 'case', 'worker'], ['case.file', 'case.handle']))).toEqual(['/wall', '/desk', '/rules', '/maintenance']);
    expect(homeOf(account(['place'], ['case.handle']))).toBe('/tasks');
    expect([homeOf(null), homeOf(account(['place', 'case'], ['case.file']))]).toEqual(['/', '/']);
    expect(paths(account(['account'], ['account.manage']))).toEqual(['/admin/accounts']);
    expect(paths(account(['audit']))).toEqual(['/admin/record']);
    expect(paths(account(['system'], ['system.manage']))).toEqual(['/admin/sources']);
    expect(paths(account(['place'], ['device.manage']))).toEqual(['/wall', '/admin/sources']);
  });
});
