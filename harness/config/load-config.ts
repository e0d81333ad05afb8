import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Config, readConfig } from '../contracts/config.ts';
import { UsageError } from '../errors.ts';

/** The files that are looked for where nothing is said, the first that is there. */
const CONFIG_FILES = ['onedrop.config.ts', 'onedrop.config.js', 'onedrop.config.mjs', 'onedrop.config.json'];

/**
 * The configuration in `file`, or in `onedrop.config.ts` (`.js`, `.mjs`, `.json`) of the first of `folders` that has one; undefined where none
 * does. @throws UsageError when it cannot be loaded, or naming everything that is wrong in it.
 */
export async function loadConfig(
  file: string | undefined,
  folders: readonly string[],
): Promise<{ config: Config; file: string } | undefined> {
  const path =
    file === undefined
      ? folders
          .flatMap((folder) => CONFIG_FILES.map((name) => join(folder, name)))
          .find((one) => existsSync(one))
      : resolve(folders[0] ?? '.', file);
  if (path === undefined) return undefined;
  if (!existsSync(path)) throw new UsageError([`--config ${file}: there is no such file`]);
  let loaded: { readonly default?: unknown };
  try {
    loaded = path.endsWith('.json')
      ? { default: readJson(path) }
      : ((await import(pathToFileURL(path).href)) as { default?: unknown });
  } catch (error) {
    throw new UsageError([`${path}: cannot be loaded: ${(error as Error).message}`]);
  }
  if (loaded.default === undefined)
    throw new UsageError([`${path}: has no default export; write export default defineConfig({ ... })`]);
  const config = readConfig(loaded.default, path);
  const directory = resolve(dirname(path), config.gateway.directory ?? '.');
  return { config: { ...config, gateway: { ...config.gateway, directory } }, file: path };
}

/** A configuration in JSON, without the schema that it may name for whoever edits it. */
function readJson(path: string): unknown {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof value !== 'object' || value === null) return value;
  const { $schema: _, ...config } = value as Record<string, unknown>;
  return config;
}
