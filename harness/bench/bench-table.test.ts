import { expect, test } from 'vitest';
import { benchTable } from './bench-table.ts';

test('a table of a bench holds no colour codes', () => {
  const table = benchTable(['runs', 'share']);
  table.push(['8', '1 %']);
  expect(table.toString()).toMatch(/runs.*share/);
  expect(table.toString()).not.toContain('\u001b');
});
