import { expect, it } from 'vitest';
import { IdIndex } from '../../src/state/id_index.ts';

it('finds rows of small, large and largest ids, and forgets what was deleted', () => {
  const index = new IdIndex();
  const ids = [0, 1, 4095, 4096, 1_000_000, (1 << 23) - 1, 1 << 23, 2 ** 31, 2 ** 32 - 1];
  ids.forEach((id, row) => index.set(id, row));
  expect(ids.map((id) => index.get(id))).toEqual(ids.map((_id, row) => row));
  expect(index.get(2)).toBeUndefined();
  expect(index.get(5_000_000)).toBeUndefined();
  ids.forEach((id) => index.delete(id));
  expect(ids.map((id) => index.get(id))).toEqual(ids.map(() => undefined));
  index.set(7, 3);
  index.clear();
  expect(index.get(7)).toBeUndefined();
});
