import type { KubernetesObject } from '@kubernetes/client-node';
import { loadYaml } from '@kubernetes/client-node';
import { clientProtocol } from '../../../harness/config/client-protocol.ts';
import type { Config } from '../../../harness/contracts/config.ts';
import type { Version } from '../../../harness/contracts/workload.ts';
import { UsageError } from '../../../harness/errors.ts';
import { CommandError, command } from '../../command.ts';
import type { OwnChart } from './own-chart.ts';
import { ownChart } from './own-chart.ts';

/** Where a chart is rendered to. */
export interface Place {
  readonly namespace: string;
  /** The cluster's version, such as v1.34.0; default: the one that helm takes for the usual. */
  readonly kubernetes?: string;
  readonly signal?: AbortSignal;
}

/**
 * The chart of the user's own gateway as their helm renders it, once a version; undefined where they name none.
 * @throws UsageError when helm is missing or refuses, or naming everything in the chart that a run has no place for.
 */
export async function renderOwnChart(own: Config, place: Place): Promise<OwnChart | undefined> {
  if (own.gateway.chart === undefined) return undefined;
  const rendered = {
    v1: manifests(await template(own, 'v1', place)),
    v2: manifests(await template(own, 'v2', place)),
  };
  return ownChart(rendered, own, place.namespace);
}

async function template(own: Config, version: Version, place: Place): Promise<string> {
  const { chart, directory } = own.gateway;
  if (chart === undefined) return '';
  const { version: pinned, values } = chart;
  const words = ['template', `gateway-${version}`, chart.name, '--namespace', place.namespace];
  if (pinned !== undefined) words.push('--version', typeof pinned === 'object' ? pinned[version] : pinned);
  if (place.kubernetes !== undefined) words.push('--kube-version', place.kubernetes);
  try {
    return await command('helm', [...words, '--values', '-'], {
      input: JSON.stringify(values[version]),
      ...(directory === undefined ? {} : { cwd: directory }),
      ...(place.signal === undefined ? {} : { signal: place.signal }),
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    place.signal?.throwIfAborted();
    if (error.how.startsWith('could not be started'))
      throw new UsageError([
        `gateway.chart: helm ${error.how}; install it: https://helm.sh/docs/intro/install/ (or name a gateway.image)`,
      ]);
    // Not the error's own text, which shows the values.
    const why = clientProtocol(own).redact(error.stderr.trim());
    throw new UsageError([`gateway.chart (${version}): helm ${words.join(' ')} ${error.how}: ${why}`]);
  }
}

/** Everything in a YAML stream but documents that hold comments only, which charts like to leave. */
function manifests(text: string): KubernetesObject[] {
  const documents = text.split(/^---.*$/m).filter((document) => /^\s*[^\s#]/m.test(document));
  try {
    // json: as for helm and the API server, the last of two equal keys counts.
    return documents.flatMap((document) => {
      const object: KubernetesObject & { items?: KubernetesObject[] } = loadYaml(document, { json: true });
      return object.kind === 'List' ? (object.items ?? []) : [object];
    });
  } catch (error) {
    throw new UsageError([`gateway.chart: what it renders cannot be read: ${(error as Error).message}`]);
  }
}
