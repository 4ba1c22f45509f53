import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RecordEntry } from '../../src/api/access_schema.ts';
import { isKey, say, type Key } from '../../src/i18n/index.ts';
import { dayAndTime, detailLine, recordPath, withOlder } from '../../src/state/record.ts';

const entry = (seq: number, part: Partial<RecordEntry> = {}): RecordEntry => ({ seq, at: '2026-11-22T01:02:03Z', actor: 'li', roles: 'operator', address: '', action: 'session.begun', object: 'account/li', result: 'done', reason: '', detail: {}, ...part });

describe('the record of acts', () => {
  it('asks for older acts below the oldest that is there, with the same filter', () => {
    expect(recordPath({ actor: '', about: '' }, null)).toBe('/api/record?limit=100');
    expect(recordPath({ actor: ' li ', about: 'account/王 & 李' }, 41)).toBe('/api/record?limit=100&actor=li&about=account%2F%E7%8E%8B+%26+%E6%9D%8E&before=41');
  });

  it('keeps each act once, the newest first', () => {
    expect(withOlder([entry(5), entry(4)], [entry(4), entry(3)]).map((e) => e.seq)).toEqual([5, 4, 3]);
    expect(withOlder([], [entry(2)]).map((e) => e.seq)).toEqual([2]);
  });

  it('tells the reason and what the detail says, and nothing of what it does not', () => {
    const made = entry(1, { reason: '离职', detail: { role: 'operator', area: '510104021000000', demo: false, locked: true, ids: [1, 2], note: null } });
    expect(detailLine('zh', made)).toBe('离职 · 角色 值班员 · 区域 510104 021 000 000 · 账号已锁定 · ids 1, 2');
    expect(detailLine('en', entry(1, { detail: { area: '000000000000000', step: 'code', kind: 'of tomorrow' } }))).toBe('area Whole installation · step code · kind of tomorrow');
  });

  it('names roles as the server does', () => {
    const source = readFileSync('../twin/access/roles.py', 'utf8');
    // one role stands there as a constant, which is called as its value is
    const rows = [...source.matchAll(/\bRole\(\s*"?(\w+)"?,\s*"(.+?)",\s*"(.+?)"/g)];
    expect(rows.length).toBe(source.match(/^ {4}Role\(/gm)!.length);
    for (const [, constant, zh, en] of rows) {
      const name = constant.toLowerCase();
      expect([say('zh', `role_${name}` as Key), say('en', `role_${name}` as Key)], name).toEqual([zh, en]);
    }
  });

  it('has words for every act that the server writes', () => {
    const sources = ['../twin', '../api', '../ingest'].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.py')).map((name) => readFileSync(`${folder}/${name}`, 'utf8')));
    const found = sources.flatMap((source) => [
      ...[...source.matchAll(/\bEntry\(\s*"(\w+\.\w+)"/g)].map((m) => m[1]),
      ...[...source.matchAll(/^.*\b_keep\(connection, (.*)/gm)].flatMap((m) => [...m[1].matchAll(/"(\w+\.\w+)"/g)].map((n) => n[1])),
      ...[...source.matchAll(/self\.note\("(\w+)"/g)].map((m) => `device.${m[1]}`),
      ...[...source.matchAll(/'(person\.\w+)'/g)].map((m) => m[1]),
    ]);
    // what a worker does with an assignment is called by how the assignment then stands
    const stands = readFileSync('../twin/dispatch/assignments.py', 'utf8').match(/class Stand\(StrEnum\):[^]*?\n\n\n/)![0];
    found.push(...[...stands.matchAll(/^ {4}[A-Z]+ = "(\w+)"/gm)].map((m) => `case.worker_${m[1]}`));
    const acts = [...new Set(found)].sort();
    expect(acts).toEqual(expect.arrayContaining(['account.created', 'device.changed', 'person.searched', 'publisher.secret_made', 'camera.source_set', 'case.worker_accepted']));
    expect(acts.filter((act) => !isKey(`act_${act.replace('.', '_')}`))).toEqual([]);
  });

  it('tells times of this machine', () => {
    const told = dayAndTime('2026-11-22T01:02:03Z');
    const here = new Date('2026-11-22T01:02:03Z');
    expect(Number(told.time.slice(0, 2))).toBe(here.getHours());
    expect(told.time).toMatch(/:02:03$|:\d\d:03$/);
    expect(told.day).toMatch(/^2026-11-2[123]$/);
  });
});
