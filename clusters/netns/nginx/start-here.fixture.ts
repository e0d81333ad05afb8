import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { NginxOptions } from './nginx.ts';

/** What the launcher does, without a namespace. */
export const startHere: NginxOptions['start'] = (file, args, { line, ended }) => {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  createInterface({ input: child.stdout }).on('line', line);
  child.on('close', (code, signal) => ended(signal ?? (code === 0 ? 'exited' : `exit code ${code}`)));
  return {
    signal(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      process.kill(signal === 'SIGKILL' ? -(child.pid as number) : (child.pid as number), signal);
    },
  };
};
