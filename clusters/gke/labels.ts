/** Of a label's value: lower-case letters, digits, hyphens and underscores, 63 at most. */
const labelValue = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-')
    .slice(0, 63);

export const MANAGED = { 'managed-by': 'onedrop' } as const;
export const RUN_LABEL = 'onedrop-run';
export const OWNER_LABEL = 'onedrop-owner';
/** Seconds since 1970: a label's value holds no colon. */
export const EXPIRES_LABEL = 'onedrop-expires';

/** What everything that can carry labels gets. */
export function labelsFor(run: string, owner: string, expires: Date): Readonly<Record<string, string>> {
  return {
    ...MANAGED,
    [RUN_LABEL]: labelValue(run),
    [OWNER_LABEL]: labelValue(owner),
    [EXPIRES_LABEL]: String(Math.floor(expires.getTime() / 1000)),
  };
}

/** As gcloud takes them. */
export const joined = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
