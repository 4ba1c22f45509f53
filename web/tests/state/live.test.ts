import { describe, expect, it } from 'vitest';
import { parseFrame } from '../../src/api/frames.ts';
import { LiveBoard, type Commit } from '../../src/state/live.ts';
import { block, cells, delta, frame, full, u32, u64, u8, ROOM_A } from '../bytes.ts';

function board() {
  const commits: Commit[] = [];
  const due: (() => void)[] = [];
  const made = new LiveBoard((c) => commits.push(c), (run) => due.push(run));
  const feed = (...blocks: number[][]) => made.frame(parseFrame(frame(1, 0, 1, blocks)));
  return { made, commits, feed, run: () => due.splice(0).forEach((f) => f()), due };
}

describe('LiveBoard', () => {
  it('commits once per animation frame however many messages arrive', () => {
    const { commits, feed, run, due } = board();
    feed(full(1, ROOM_A, 0, [{ id: 1, lon: 1, lat: 1 }]));
    feed(delta(ROOM_A, 0, [{ id: 1, value: 2, state: 3 }]));
    feed(delta(ROOM_A, 0, [{ id: 1, value: 3, state: 4 }]));
    expect(due).toHaveLength(1);
    run();
    expect(commits).toEqual([{ structure: true, cells: false, deltas: 3 }]);
    feed(delta(ROOM_A, 0, [{ id: 1, value: 3, state: 5 }]));
    run();
    expect(commits[1]).toEqual({ structure: false, cells: false, deltas: 1 });
  });

  it('keeps what it holds on screen until the replacement is here', () => {
    const { made, feed } = board();
    feed(full(1, ROOM_A, 0, [{ id: 1, lon: 1, lat: 1 }]));
    made.subscribed('points', false);
    expect(made.devices.length).toBe(1);
    feed(full(1, ROOM_A, 0, [{ id: 2, lon: 1, lat: 1 }]));
    expect(made.devices.rowOf(1)).toBeUndefined();
    expect(made.devices.length).toBe(1);
    made.subscribed('points', true);
    feed(delta(ROOM_A, 0, [{ id: 2, value: 0, state: 2 }]));
    expect(made.devices.length).toBe(1);
  });

  it('keeps devices and workers apart, also with the same id and in the same cell', () => {
    const { made, feed } = board();
    feed(full(1, ROOM_A, 0, [{ id: 1, lon: 1, lat: 1 }]), full(1, ROOM_A, 1, [{ id: 1, lon: 2, lat: 2 }]));
    expect([made.devices.position[0], made.workers.position[0]]).toEqual([1, 2]);
    const workers = block(5, 0n, 1, 1, [...u64([ROOM_A]), ...u32([112]), ...u32([7]), ...u8([2])]);
    feed(cells([{ cell: ROOM_A, count: 1500, abnormal: 3, worst: 4 }]), workers);
    expect(made.cells.values()).toMatchObject([{ count: 1500, abnormal: 3, worst: 4 }]);
    feed(cells([{ cell: ROOM_A, count: 0, abnormal: 0, worst: 0 }]));
    expect(made.cells.size).toBe(0);
  });
});
