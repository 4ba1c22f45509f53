/** Find the row of an id: a table for the ids of a database's sequence, a map for what lies beyond. */

/** Ids below this are looked up in a table of four bytes each (at most 32 MiB); a sequence rarely passes it. */
const TABLE_LIMIT = 1 << 23;

export class IdIndex {
  /** Row plus one, so that a fresh table says "not here". */
  private table = new Int32Array(4096);
  private readonly beyond = new Map<number, number>();

  get(id: number): number | undefined {
    if (id < this.table.length) {
      const row = this.table[id];
      return row === 0 ? undefined : row - 1;
    }
    return this.beyond.get(id);
  }

  set(id: number, row: number): void {
    if (id >= this.table.length && id < TABLE_LIMIT) {
      let length = this.table.length;
      while (length <= id) length *= 2;
      const table = new Int32Array(length);
      table.set(this.table);
      this.table = table;
    }
    if (id < this.table.length) this.table[id] = row + 1;
    else this.beyond.set(id, row);
  }

  delete(id: number): void {
    if (id < this.table.length) this.table[id] = 0;
    else this.beyond.delete(id);
  }

  clear(): void {
    this.table.fill(0);
    this.beyond.clear();
  }
}
