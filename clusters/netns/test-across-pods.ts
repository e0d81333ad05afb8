import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

/** For handoff-across-pods.test.ts: root of fresh namespaces, where it is the client; prints what came back. */
const ip = (...args: string[]) => execFileSync('ip', args);
const oldPod = spawn(
  'unshare',
  ['--net', process.execPath, new URL('./test-old-pod.ts', import.meta.url).pathname],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
const said = oldPod.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
// It listens on every address, so it may do so before it has one; only then is its namespace sure to be its own.
await said.next();
ip('link', 'add', 'client', 'type', 'veth', 'peer', 'name', 'pod', 'netns', String(oldPod.pid));
ip('address', 'add', '10.0.0.1/24', 'dev', 'client');
ip('link', 'set', 'client', 'up');
const inPod = (...args: string[]) =>
  execFileSync('nsenter', [`--net=/proc/${oldPod.pid}/ns/net`, 'ip', ...args]);
inPod('address', 'add', '10.0.0.2/24', 'dev', 'pod');
inPod('link', 'set', 'pod', 'up');

const client = connect(8080, '10.0.0.2').setEncoding('utf8');
const heard: string[] = [];
client.on('data', (text) => heard.push(String(text)));
await said.next();
client.write('before');
await once(client, 'data');
// What kubelet does with a pod that is gone: its sandbox goes, and with it the interface that had the address.
inPod('link', 'delete', 'pod');
client.on('error', () => {}).write('after');
await Promise.race([once(client, 'data'), new Promise((resolve) => setTimeout(resolve, 1000))]);
process.stdout.write(JSON.stringify({ heard }));
client.destroy();
oldPod.stdin.end();
await once(oldPod, 'exit');
process.exit(0);
