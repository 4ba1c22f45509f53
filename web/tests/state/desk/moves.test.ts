import { describe, expect, it } from 'vitest';
import type { CaseEvent, CaseStand, Move } from '../../../src/api/case_schema.ts';
import { arranged, changedSince, conflictOf, fieldsOf, handlerOf, missing, moveOfKey, touched, type Draft } from '../../../src/state/desk/moves.ts';

const move = (name: string, needs: string[] = []): Move => ({ name, zh: name, en: name, needs, asks: false });
const event = (version: number | null, changes: Record<string, unknown>, actor = '王*'): CaseEvent => ({ at: '', event: 'case.x', zh: '', en: '', actor, version, told: {}, changes });
const stand = (version: number, events: CaseEvent[], moves: string[]): CaseStand => ({ version, events: [...events].reverse(), moves: moves.map((name) => move(name)) }) as unknown as CaseStand;
const dispatch: Draft = { move: 'dispatch', version: 6, told: { worker_id: 7 } };

describe('keys of moves', () => {
  it('give each key the move that may be made now, and the rest to the menu', () => {
    const moves = [move('void'), move('note'), move('reject'), move('file'), move('supervise'), move('correct')];
    expect(arranged(moves).keyed.map((k) => [k.key, k.move.name])).toEqual([['a', 'file'], ['u', 'supervise'], ['r', 'reject']]);
    expect(arranged(moves).others.map((m) => m.name)).toEqual(['void', 'correct']);
    expect(moveOfKey(moves, 'r')?.name).toBe('reject');
    expect(moveOfKey(moves, 'd')).toBeUndefined();
  });

  it('answers a request before it goes on', () => {
    expect(moveOfKey([move('file'), move('grant'), move('refuse'), move('return')], 'a')?.name).toBe('grant');
    expect(moveOfKey([move('grant'), move('refuse'), move('return')], 'r')?.name).toBe('refuse');
  });

  it('lets a poor rating be reviewed, or the case redone, by the keys of yes and no', () => {
    const moves = [move('note'), move('reopen'), move('review')];
    expect(arranged(moves).keyed.map((k) => [k.key, k.move.name])).toEqual([['a', 'review'], ['r', 'reopen']]);
    const review: Draft = { move: 'review', version: 8, told: { reason: '已核实' } };
    const redone = stand(9, [event(9, { stage: 'filed', outcome: null, rating: null, review_since: null, version: 9 })], ['note', 'dispatch']);
    expect([conflictOf(redone, review)?.both, conflictOf(redone, review)?.mergeable]).toEqual([['review_since'], false]);
  });

  it('asks for a reason too where the server wants one, and has the busy wait', () => {
    const dispatch = move('dispatch', ['handler']);
    expect(fieldsOf(dispatch)).toEqual(['handler']);
    expect(fieldsOf(dispatch, ['reason'])).toEqual(['handler', 'reason']);
    const candidate = { worker_id: 7, busy: true } as Parameters<typeof handlerOf>[0];
    expect(handlerOf(candidate)).toEqual({ worker_id: 7, behind: true });
  });

  it('knows what is still to be told', () => {
    const transfer = move('transfer', ['handler', 'reason']);
    expect(missing(transfer, { reason: '  ' })).toEqual(['handler', 'reason']);
    expect(missing(transfer, { organisation_id: 3, reason: '人手不足' })).toEqual([]);
    expect(missing(move('correct', ['correction']), { priority: 1 })).toEqual([]);
    expect(missing(move('correct', ['correction']), {})).toEqual(['correction']);
  });
});

describe('two on one case', () => {
  it('is no conflict where nobody acted, or only a clock did', () => {
    expect(conflictOf(stand(6, [], ['dispatch']), dispatch)).toBeNull();
    expect(conflictOf(stand(7, [event(7, { version: 7, clock_at: 'x', stage_due_at: 'y' }, 'system')], ['dispatch']), dispatch)).toBeNull();
    // what was done before I looked is none of it
    expect(changedSince(stand(6, [event(5, { stage: 'filed' })], []), 6)).toEqual([]);
  });

  it('may be merged where the two touch different things', () => {
    const now = stand(7, [event(7, { version: 7, category_code: '02001' })], ['dispatch', 'note']);
    expect(conflictOf(now, dispatch)).toEqual({ changes: [{ field: 'category_code', to: '02001', by: '王*', version: 7 }], both: [], mergeable: true });
  });

  it('may not where both touch the same, or mine is no longer possible', () => {
    const gone = conflictOf(stand(7, [event(7, { version: 7, stage: 'dispatched', worker_id: 9 })], ['transfer']), dispatch);
    expect([gone?.both, gone?.mergeable]).toEqual([['stage', 'worker_id'], false]);
    // corrected twice: the level is mine, the kind is theirs
    const level: Draft = { move: 'correct', version: 6, told: { priority: 1 } };
    expect(conflictOf(stand(8, [event(7, { category_code: '02001' }), event(8, { priority: 2, due_at: 'z' })], ['correct']), level)).toMatchObject({ both: ['priority'], mergeable: false });
    expect(conflictOf(stand(7, [event(7, { supervised_by: '王*' })], []), { move: 'supervise', version: 6, told: {} })).toMatchObject({ mergeable: false });
  });

  it('never calls a note a conflict', () => {
    expect(touched({ move: 'note', version: 1, told: { note: 'x' } })).toEqual([]);
    expect(conflictOf(stand(9, [event(9, { stage: 'handling' })], ['note']), { move: 'note', version: 1, told: { note: 'x' } })).toMatchObject({ mergeable: true });
  });
});
