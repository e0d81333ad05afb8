import Table from 'cli-table3';

/** A table without colour codes, which mean nothing in a pipe or a file. */
export const benchTable = (head: string[]) => new Table({ style: { head: [], border: [] }, head });
