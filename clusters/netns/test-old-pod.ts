import { fork } from 'node:child_process';
import { createServer } from 'node:net';

/**
 * For handoff-across-pods.test.ts: runs in the old pod's network namespace, accepts one connection and passes it to a
 * process in a namespace of its own, as if that were the new pod on the same node.
 */
const server = createServer({ pauseOnConnect: true }, (socket) => {
  const newPod = fork(new URL('./test-new-pod.ts', import.meta.url), {
    execPath: 'unshare',
    execArgv: ['--net', process.execPath],
  });
  newPod.send('yours', socket, () => process.stdout.write('passed on\n'));
});
server.listen(8080, '0.0.0.0', () => process.stdout.write('listening\n'));
process.stdin.resume().on('end', () => process.exit(0));
