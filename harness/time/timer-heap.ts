import type { Millis } from './duration.ts';

/** Something that is due at a time; of one time, in the order of the sequence. */
export interface Due {
  readonly at: Millis;
  readonly sequence: number;
}

const before = (left: Due, right: Due) =>
  left.at < right.at || (left.at === right.at && left.sequence < right.sequence);

/** Adds to a binary heap whose first element is the next one due. */
export function push<T extends Due>(heap: T[], entry: T): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as T;
    if (!before(entry, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = entry;
}

/** Takes the next one due from a heap that is not empty. */
export function pop<T extends Due>(heap: T[]): T {
  const first = heap[0] as T;
  const last = heap.pop() as T;
  if (heap.length > 0) {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as T, heap[child] as T)) child++;
      if (!before(heap[child] as T, last)) break;
      heap[index] = heap[child] as T;
      index = child;
    }
    heap[index] = last;
  }
  return first;
}
