import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { inFreshNamespace, reasonToSkip } from './launcher/fresh-namespace.fixture.ts';

const PROGRAM = fileURLToPath(new URL('./test-across-pods.ts', import.meta.url));
const cannot = reasonToSkip('ip link', 'nsenter --version');

it('a socket passed to another pod stays on the old pod’s address, and is dead once that pod is gone', ({
  skip,
}) => {
  skip(cannot !== undefined, cannot);
  const { heard } = JSON.parse(inFreshNamespace(`"${process.execPath}" "${PROGRAM}"`)) as { heard: string[] };
  // The process that answers has no network of its own at all, so it answers from the old pod's; then that is gone.
  expect(heard).toEqual(['before (networks: 0)']);
});
