import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fakeApiServer } from '../../../clusters/kubernetes/api/fake-api-server.fixture.ts';
import { testGateway } from '../../watch/watch.fixture.ts';
import { onedrop, scratch } from '../cli.fixture.ts';

const FAST = [
  '--no-config',
  '--clients',
  '30',
  '--heartbeat',
  '3s',
  '--calm',
  '0',
  '--backoff',
  '1s',
  '--settle',
  '0',
  '--format',
  'json',
];

async function gateway() {
  const { gateway, port } = await testGateway();
  onTestFinished(() => gateway.stop());
  return { gateway, url: `ws://127.0.0.1:${port}/ws?token=s3cret` };
}

interface Result {
  readonly verdict: string;
  readonly run: { readonly command: string };
  readonly cells: readonly {
    readonly dropped: number;
    readonly clients: number;
    readonly why: readonly string[];
  }[];
}

describe('onedrop watch', () => {
  test('runs the command as the release, keeps and tells its output, and ends with the verdict', async () => {
    const { url } = await gateway();
    const out = join(scratch(), 'run');
    const script = "console.log('upgraded'); console.error('beware')";
    const words = ['watch', url, ...FAST, '--out', out, '--header', 'authorization: Bearer t0psecret'];
    const {
      code,
      out: said,
      err,
    } = await onedrop([
      ...words,
      ...['--', process.execPath, '-e', script, '--', '--set', 'auth.password=hunter2'],
    ]);
    const result = JSON.parse(said) as Result;
    expect({ code, verdict: result.verdict }).toEqual({ code: 0, verdict: 'pass' });
    expect(result.cells).toEqual([expect.objectContaining({ clients: 30, dropped: 0 })]);
    expect(err).toContain('upgraded');
    expect(err).toContain('beware');
    expect(readFileSync(join(out, 'command.log'), 'utf8')).toContain('upgraded');
    for (const file of ['report.html', 'report.json', 'summary.md', 'junit.xml'])
      expect(existsSync(join(out, file)), file).toBe(true);
    // The log is one as any other.
    const again = await onedrop(['analyze', out, '--format', 'json']);
    expect(JSON.parse(again.out)).toEqual(result);
    for (const file of ['events.jsonl', 'report.html', 'run.json', 'report.json']) {
      const text = readFileSync(join(out, file), 'utf8');
      for (const secret of ['s3cret', 't0psecret', 'hunter2']) expect(text, file).not.toContain(secret);
    }
    expect(result.run.command).toMatch(
      /^onedrop watch '?ws:\/\/127\.0\.0\.1:\d+\/ws\?\.\.\.'? --no-config --clients 30 /,
    );
    expect(result.run.command).toMatch(/--header 'authorization: \.\.\.' -- .* auth\.password=\.\.\.$/);
  });

  test('says that a command failed, by exit code 2', async () => {
    const { url } = await gateway();
    const { code, out } = await onedrop([
      'watch',
      url,
      ...FAST,
      '--out',
      join(scratch(), 'run'),
      '--',
      'false',
    ]);
    expect(code).toBe(2);
    expect((JSON.parse(out) as Result).cells[0]?.why).toContain(
      'the release failed: false: it ended with exit code 1',
    );
  });

  test('watches for a time without a command, and ends with 1 where everybody was dropped at once', async () => {
    const { gateway: server, url } = await gateway();
    const words = ['watch', url, ...FAST, '--for', '2s', '--out', join(scratch(), 'run')];
    const { code, out } = await onedrop(words, {}, (child) => {
      child.stderr?.on('data', (text: Buffer) => {
        if (String(text).includes('[releasing]')) server.drain('close', 0);
      });
    });
    expect(code).toBe(1);
    expect((JSON.parse(out) as Result).cells[0]).toMatchObject({ clients: 30, dropped: 30 });
  });

  test('ends an open watch at the first Ctrl-C with a verdict', async () => {
    const { url } = await gateway();
    const { code } = await onedrop(['watch', url, ...FAST, '--out', join(scratch(), 'run')], {}, (child) => {
      child.stderr?.on('data', (text: Buffer) => {
        if (String(text).includes('[releasing]')) child.kill('SIGINT');
      });
    });
    expect(code).toBe(0);
  });

  test('says where no cluster is, before anything is left', async () => {
    const { url } = await gateway();
    const out = join(scratch(), 'run');
    const words = ['watch', url, ...FAST, '--kubeconfig', '/nowhere/config', '--out', out];
    const { code, err } = await onedrop(words);
    expect({ code, err }).toMatchObject({
      code: 64,
      err: expect.stringContaining('the cluster cannot be looked at: ENOENT'),
    });
    expect(existsSync(out)).toBe(false);
  });

  test('leaves no folder behind where the cluster cannot be looked at', async () => {
    const { url } = await gateway();
    const out = join(scratch(), 'run');
    const server = await fakeApiServer(({ path }) => ({
      status: path.startsWith('/api/v1/namespaces') ? 404 : 200,
      json: { kind: 'Status', reason: 'NotFound', message: 'services "gateway" not found', items: [] },
    }));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const file = join(scratch(), 'kubeconfig');
    writeFileSync(file, server.config.exportConfig());
    const words = ['watch', url, ...FAST, '--kubeconfig', file, '--service', 'gateway', '--out', out];
    const { code, err } = await onedrop(words);
    expect({ code, err }).toMatchObject({
      code: 64,
      err: expect.stringContaining('--service gateway: services "gateway" not found'),
    });
    expect(existsSync(out)).toBe(false);
  });

  test('names every mistake at once, and no secret', async () => {
    const { code, err } = await onedrop([
      ...['watch', 'http://x/', '--clients', '0', '--for', 'soon', '--address', 'nowhere', '--listen', 'x'],
      ...[
        '--version-from',
        'body',
        '--cert',
        'a.pem',
        '--header',
        'authorization Bearer t0psecret',
        '--gate',
      ],
      ...['--', 'true'],
    ]);
    expect(code).toBe(64);
    for (const part of [
      'http://x/: must be the url of a gateway',
      '--clients 0',
      '--for',
      '--address nowhere',
      '--listen x',
      '--version-from body',
      '--cert and --key go together',
      '--header authorization...',
      '--gate: the command is the release',
    ])
      expect(err).toContain(part);
    expect(err).not.toContain('t0psecret');
  });
});
