/** JSON as the API speaks it; Dates are values. */
type Json = unknown;
type JsonObject = Record<string, Json>;

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** RFC 7386: objects merge, null deletes, everything else (lists too) replaces. Returns a new value. */
export function mergePatch<T>(target: T, patch: Json): T {
  if (!isObject(patch)) return patch as T;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged as T;
}

/**
 * The merge patch that server-side apply amounts to: all that `applied` says, and null for what the same
 * manager had said before and now leaves out. What others set is left alone. Lists are taken as a whole.
 */
export function applyPatch(previous: Json, applied: Json): Json {
  if (!isObject(applied)) return applied;
  const patch: JsonObject = {};
  const before = isObject(previous) ? previous : {};
  for (const key of Object.keys(before)) if (applied[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(applied))
    if (value !== undefined) patch[key] = isObject(value) ? applyPatch(before[key], value) : value;
  return patch;
}
