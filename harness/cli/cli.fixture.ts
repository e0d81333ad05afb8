import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const CLI = join(import.meta.dirname, 'onedrop.js');

/** A folder that goes with the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs onedrop for real, and tells how it ended and what it said. */
export function onedrop(
  words: readonly string[],
  options: SpawnOptions = {},
  meanwhile: (child: ChildProcess) => void = () => {},
) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let [out, err] = ['', ''];
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
    meanwhile(child);
  });
}

/** A run of one small cell on the simulator that passes; with `worse`, one that fails. */
export const small = (out: string, worse = false): string[] => [
  ...['scenario', worse ? 'seventy-thirty' : 'selector-flip', '--cluster', 'sim', '--no-config'],
  ...['--clients', '60', '--policy', worse ? 'Local' : 'Cluster', '--out', out],
];
