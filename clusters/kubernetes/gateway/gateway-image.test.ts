import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { gatewayImageName, IMAGE_COMMANDS, imageContext, imageFiles } from './gateway-image.ts';

test('the image holds the gateway and ws, and nothing else', async () => {
  const files = [...(await imageFiles()).keys()];
  expect(files).toContain('gateway/main.ts');
  expect(files.filter((file) => file.includes('.test.'))).toEqual([]);
  expect(new Set(files.map((file) => file.split('/').slice(0, 2).join('/')))).toContain('node_modules/ws');
  expect(
    files.every((file) =>
      /^(Dockerfile|statistics\/random\.ts|gateway\/([\w-]+\/)?[\w-]+(\.main)?\.ts|node_modules\/ws\/.*)$/.test(
        file,
      ),
    ),
  ).toBe(true);
});

test("the image's name is made of its content", async () => {
  expect(await gatewayImageName()).toMatch(/^onedrop-gateway:[0-9a-f]{12}$/);
  expect(await gatewayImageName('example.com/team/gateway')).toMatch(
    /^example.com\/team\/gateway:[0-9a-f]{12}$/,
  );
});

test('what goes into the image is enough to run each of its programs', async () => {
  await using context = await imageContext(tmpdir());
  expect((await readdir(context.directory)).sort()).toEqual([
    'Dockerfile',
    'gateway',
    'node_modules',
    'package.json',
    'statistics',
  ]);
  for (const command of Object.values(IMAGE_COMMANDS)) {
    const gateway = spawn(process.execPath, [command[1] ?? 'gateway/main.ts'], {
      cwd: context.directory,
      env: { PORT: '0', ADMIN_PORT: '0', POD_NAME: 'p', UPSTREAM: 'ws://127.0.0.1:1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(gateway.stdout, 'data');
    expect(JSON.parse(String(line))).toMatchObject({ did: 'listening' });
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'close')).toEqual([0, null]);
  }
});
