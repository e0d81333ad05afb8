import { expect, test } from 'vitest';
import { termination } from './termination.ts';

test('the end of a process becomes the status that a kubelet writes of it', () => {
  expect(termination('exited')).toEqual({ exitCode: 0, reason: 'Completed' });
  expect(termination('SIGKILL')).toEqual({ exitCode: 137, reason: 'Error' });
  expect(termination('exit code 3')).toEqual({ exitCode: 3, reason: 'Error' });
  expect(termination('exit code 3 no\nport')).toEqual({ exitCode: 3, reason: 'Error', message: 'no\nport' });
  expect(termination('spawn EAGAIN')).toEqual({ exitCode: 128, reason: 'Error', message: 'spawn EAGAIN' });
});
