#!/usr/bin/env node
// The first file, in words that every Node.js reads: the others are TypeScript, which only newer ones do, or, in the package
// that is installed, compiled for Node.js 22.
import { existsSync } from 'node:fs';

const isCompiled = existsSync(new URL('./main.js', import.meta.url));
const least = isCompiled ? 22 : 24;
const [major] = process.versions.node.split('.').map(Number);
if (major < least) {
  const mend = isCompiled
    ? 'put a newer node on the PATH'
    : 'npm ci brings one along for npm run (unless install scripts are off), else put a newer node on the PATH';
  process.stderr.write(
    `error: onedrop runs on Node.js ${least}, and this is ${process.versions.node}; ${mend}\n`,
  );
  process.exitCode = 64;
} else import(isCompiled ? './main.js' : './main.ts');
