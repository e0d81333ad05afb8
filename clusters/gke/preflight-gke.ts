import type { Preflight } from '../../harness/contracts/cluster.ts';
import { HarnessError } from '../../harness/errors.ts';
import { CommandError, command } from '../command.ts';
import { GcloudCommands, type Words } from './gcloud-commands.ts';
import { readAccounts, readRegion } from './gcloud-output.ts';
import type { GkeOptions, Shape } from './gke-options.ts';

const QUOTAS = 'https://console.cloud.google.com/iam-admin/quotas';

/** Whether gcloud is there, somebody logged in, a project chosen with the API enabled, and its region readable. */
export async function preflightGke(options: GkeOptions): Promise<Preflight> {
  const commands = new GcloudCommands(options);
  const missing: { what: string; mend: string }[] = [];
  const notes: string[] = [];
  const says = (file: string, words: Words) =>
    command(file, words).then(
      (text) => text.trim(),
      (error: CommandError) => error,
    );
  if ((await says('gcloud', ['version'])) instanceof Error)
    return unusable('gcloud is not installed', 'https://cloud.google.com/sdk/docs/install');
  if ((await says('gke-gcloud-auth-plugin', ['--version'])) instanceof Error)
    missing.push({
      what: 'gke-gcloud-auth-plugin is not installed',
      mend: 'gcloud components install gke-gcloud-auth-plugin',
    });
  const accounts = await says('gcloud', commands.accounts());
  const [account] = typeof accounts === 'string' ? readAccounts(accounts) : [];
  if (account === undefined) return unusable('nobody is logged in to gcloud', 'gcloud auth login', missing);
  const project = options.project ?? (await says('gcloud', commands.currentProject()));
  if (typeof project !== 'string' || project === '' || project === '(unset)')
    return unusable('no project is chosen', '--project ID, or gcloud config set project ID', missing);
  const services = await says('gcloud', commands.enabledServices());
  if (services === '[]')
    missing.push({
      what: `the Kubernetes Engine API is not enabled in ${project}`,
      mend: `gcloud services enable container.googleapis.com artifactregistry.googleapis.com --project ${project}`,
    });
  const region = await says('gcloud', commands.region());
  if (region instanceof CommandError)
    missing.push({
      what: `region ${options.region} of ${project} cannot be read: ${region.stderr.trim().split('\n')[0]}`,
      mend: 'ask for the roles that clusters/gke/README.md names',
    });
  else if (typeof region === 'string') {
    const { free } = readRegion(region);
    notes.push(
      `gke: ${account}, project ${project}, ${options.region} with ${free.get('CPUS') ?? '?'} CPUs and ${free.get('IN_USE_ADDRESSES') ?? '?'} addresses free`,
    );
  }
  return missing.length > 0 ? { usable: false, missing } : { usable: true, notes };
}

const unusable = (
  what: string,
  mend: string,
  others: readonly { what: string; mend: string }[] = [],
): Preflight => ({ usable: false, missing: [...others, { what, mend }] });

/** Quotas that nodes and balancers count against; a machine type's last number is its CPUs (`e2-standard-2`). */
export function missingQuota(
  free: ReadonlyMap<string, number>,
  { zones, nodesPerZone }: Shape,
  machineType: string,
): string[] {
  const nodes = zones.length * nodesPerZone;
  const cpus = Number(/-(\d+)$/.exec(machineType)?.[1] ?? 2);
  const needed: readonly [string, number][] = [
    [machineType.startsWith('n2-') ? 'N2_CPUS' : 'CPUS', nodes * cpus],
    ['IN_USE_ADDRESSES', nodes],
    ['DISKS_TOTAL_GB', nodes * 30],
  ];
  return needed.flatMap(([metric, count]) => {
    const left = free.get(metric);
    return left === undefined || left >= count ? [] : [`${metric}: ${count} needed, ${left} free`];
  });
}

/** @throws HarnessError when the cluster could not be created anyway, before anything is. */
export async function checkQuota(shape: Shape, options: GkeOptions, signal: AbortSignal): Promise<void> {
  const { free, zones } = readRegion(
    await command('gcloud', new GcloudCommands(options).region(), { signal }),
  );
  const unknown = shape.zones.filter((zone) => !zones.includes(zone));
  if (unknown.length > 0)
    throw new HarnessError(
      `${options.region} has no zone ${unknown.join(', ')}; it has ${zones.join(', ')}: choose --zones`,
    );
  const missing = missingQuota(free, shape, options['machine-type']);
  if (missing.length > 0)
    throw new HarnessError(
      `quota of ${options.region} does not suffice: ${missing.join('; ')}; ask for more at ${QUOTAS} or choose another --region, fewer --nodes or a smaller --machine-type`,
    );
}
