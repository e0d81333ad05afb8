// The first file, in words that every Node.js reads: the others are TypeScript, which only newer ones do.
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `error: onedrop runs on Node.js 24, and this is ${process.versions.node}; npm ci brings one along for npm run (unless install scripts are off), else put a newer node on the PATH\n`,
  );
  process.exitCode = 64;
} else import('./main.ts');
