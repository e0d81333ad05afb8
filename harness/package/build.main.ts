/** Makes the package that is published: `npm run build [FOLDER]`, `dist` by default; then `npm pack ./dist`. */
import { join, resolve } from 'node:path';
import { buildPackage } from './build-package.ts';

buildPackage(resolve(process.argv[2] ?? join(import.meta.dirname, '..', '..', 'dist')));
